package enterprise

import (
	"context"
	"time"

	pb "pachyderm/api/enterprise"
	licensepb "pachyderm/api/license"
	"pachyderm/internal/audit"
	"pachyderm/internal/cluster"
	"pachyderm/internal/db"
	"pachyderm/internal/rpc/caller"
	"pachyderm/internal/rpc/wire"
	"pachyderm/internal/secret"
)

// License is license_v2.
type License struct {
	licensepb.UnimplementedAPIServer
	DB  *db.DB
	Now func() time.Time
}

// Activate takes any code, for none is needed, and keeps none.
func (l License) Activate(context.Context, *licensepb.ActivateRequest) (*licensepb.ActivateResponse, error) {
	return &licensepb.ActivateResponse{Info: info()}, nil
}

// GetActivationCode has none to show.
func (l License) GetActivationCode(context.Context, *licensepb.GetActivationCodeRequest) (*licensepb.GetActivationCodeResponse, error) {
	return &licensepb.GetActivationCodeResponse{State: pb.State_ACTIVE, Info: info()}, nil
}

// AddCluster is the first half of "enterprise register".
func (l License) AddCluster(ctx context.Context, req *licensepb.AddClusterRequest) (*licensepb.AddClusterResponse, error) {
	var shared secret.Text
	err := l.change(ctx, "cluster.add", req.GetId(), func(tx *db.Tx) (err error) {
		shared, err = cluster.Add(ctx, tx, cluster.Cluster{
			ID: req.GetId(), Address: req.GetAddress(), UserAddress: req.GetUserAddress(), DeploymentID: req.GetClusterDeploymentId(),
			EnterpriseServer: req.GetEnterpriseServer(), Created: l.Now(),
		}, secret.Text(req.GetSecret()))
		return err
	})
	if err != nil {
		return nil, err
	}
	return &licensepb.AddClusterResponse{Secret: shared.Reveal()}, nil
}

// UpdateCluster changes what is given.
func (l License) UpdateCluster(ctx context.Context, req *licensepb.UpdateClusterRequest) (*licensepb.UpdateClusterResponse, error) {
	err := l.change(ctx, "cluster.update", req.GetId(), func(tx *db.Tx) error {
		return cluster.Update(ctx, tx, cluster.Cluster{
			ID: req.GetId(), Address: req.GetAddress(), UserAddress: req.GetUserAddress(), DeploymentID: req.GetClusterDeploymentId(),
		}, secret.Text(req.GetSecret()))
	})
	if err != nil {
		return nil, err
	}
	return &licensepb.UpdateClusterResponse{}, nil
}

// DeleteCluster forgets one.
func (l License) DeleteCluster(ctx context.Context, req *licensepb.DeleteClusterRequest) (*licensepb.DeleteClusterResponse, error) {
	err := l.change(ctx, "cluster.delete", req.GetId(), func(tx *db.Tx) error { return cluster.Delete(ctx, tx, req.GetId()) })
	if err != nil {
		return nil, err
	}
	return &licensepb.DeleteClusterResponse{}, nil
}

// DeleteAll forgets all; there is no licence to forget.
func (l License) DeleteAll(ctx context.Context, _ *licensepb.DeleteAllRequest) (*licensepb.DeleteAllResponse, error) {
	err := l.change(ctx, "cluster.delete-all", "", func(tx *db.Tx) error { return cluster.DeleteAll(ctx, tx) })
	if err != nil {
		return nil, err
	}
	return &licensepb.DeleteAllResponse{}, nil
}

func (l License) change(ctx context.Context, action, id string, f func(*db.Tx) error) error {
	return l.DB.Update(ctx, func(tx *db.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Event{At: l.Now(), Actor: caller.Of(ctx).Name, Action: action, Object: "cluster/" + id})
	})
}

// Heartbeat is a cluster's, which shows its secret instead of a token.
func (l License) Heartbeat(ctx context.Context, req *licensepb.HeartbeatRequest) (*licensepb.HeartbeatResponse, error) {
	err := l.DB.Update(ctx, func(tx *db.Tx) error {
		return cluster.Beat(ctx, tx, cluster.Cluster{
			ID: req.GetId(), Version: req.GetVersion(), AuthEnabled: req.GetAuthEnabled(), ClientID: req.GetClientId(), Heartbeat: l.Now(),
		}, secret.Text(req.GetSecret()))
	})
	if err != nil {
		return nil, err
	}
	return &licensepb.HeartbeatResponse{License: &pb.LicenseRecord{Expires: info().GetExpires()}}, nil
}

// ListClusters is for administrators.
func (l License) ListClusters(ctx context.Context, _ *licensepb.ListClustersRequest) (*licensepb.ListClustersResponse, error) {
	all, err := l.clusters(ctx)
	if err != nil {
		return nil, err
	}
	out := &licensepb.ListClustersResponse{}
	for _, c := range all {
		out.Clusters = append(out.Clusters, &licensepb.ClusterStatus{
			Id: c.ID, Address: c.Address, Version: c.Version, AuthEnabled: c.AuthEnabled, ClientId: c.ClientID,
			LastHeartbeat: wire.Timestamp(c.Heartbeat), CreatedAt: wire.Timestamp(c.Created),
		})
	}
	return out, nil
}

// ListUserClusters is what anybody who is signed in may know, for contexts.
func (l License) ListUserClusters(ctx context.Context, _ *licensepb.ListUserClustersRequest) (*licensepb.ListUserClustersResponse, error) {
	all, err := l.clusters(ctx)
	if err != nil {
		return nil, err
	}
	out := &licensepb.ListUserClustersResponse{}
	for _, c := range all {
		out.Clusters = append(out.Clusters, &licensepb.UserClusterInfo{
			Id: c.ID, ClusterDeploymentId: c.DeploymentID, Address: c.UserAddress, EnterpriseServer: c.EnterpriseServer,
		})
	}
	return out, nil
}

func (l License) clusters(ctx context.Context) (all []cluster.Cluster, err error) {
	err = l.DB.View(ctx, func(tx *db.Tx) error {
		all, err = cluster.List(ctx, tx)
		return err
	})
	return all, err
}
