package enterprise

import (
	"context"
	"time"

	pb "pachyderm/api/enterprise"
	licensepb "pachyderm/api/license"
	"pachyderm/internal/audit"
	"pachyderm/internal/cluster"
	"pachyderm/internal/db"
	"pachyderm/internal/people/session"
	"pachyderm/internal/rpc/wire"
	"pachyderm/internal/secret"
)

type license struct {
	licensepb.UnimplementedAPIServer
	db       *db.DB
	sessions *session.Service
	now      func() time.Time
}

// NewLicense serves license_v2.
func NewLicense(d *db.DB, sessions *session.Service, now func() time.Time) licensepb.APIServer {
	return license{db: d, sessions: sessions, now: now}
}

// Activate takes any code, for none is needed, and keeps none.
func (l license) Activate(context.Context, *licensepb.ActivateRequest) (*licensepb.ActivateResponse, error) {
	return &licensepb.ActivateResponse{Info: info()}, nil
}

// GetActivationCode has none to show.
func (l license) GetActivationCode(context.Context, *licensepb.GetActivationCodeRequest) (*licensepb.GetActivationCodeResponse, error) {
	return &licensepb.GetActivationCodeResponse{State: pb.State_ACTIVE, Info: info()}, nil
}

// AddCluster is the first half of "enterprise register".
func (l license) AddCluster(ctx context.Context, req *licensepb.AddClusterRequest) (*licensepb.AddClusterResponse, error) {
	var shared secret.Text
	err := l.db.Update(ctx, func(tx *db.Tx) (err error) {
		shared, err = cluster.Add(ctx, tx, l.by(ctx), cluster.Cluster{
			ID: req.GetId(), Address: req.GetAddress(), UserAddress: req.GetUserAddress(), DeploymentID: req.GetClusterDeploymentId(),
			EnterpriseServer: req.GetEnterpriseServer(),
		}, secret.Text(req.GetSecret()))
		return err
	})
	return &licensepb.AddClusterResponse{Secret: shared.Reveal()}, err
}

// UpdateCluster changes what is given.
func (l license) UpdateCluster(ctx context.Context, req *licensepb.UpdateClusterRequest) (*licensepb.UpdateClusterResponse, error) {
	return &licensepb.UpdateClusterResponse{}, l.db.Update(ctx, func(tx *db.Tx) error {
		return cluster.Update(ctx, tx, l.by(ctx), cluster.Cluster{
			ID: req.GetId(), Address: req.GetAddress(), UserAddress: req.GetUserAddress(), DeploymentID: req.GetClusterDeploymentId(),
		}, secret.Text(req.GetSecret()))
	})
}

// DeleteCluster forgets one.
func (l license) DeleteCluster(ctx context.Context, req *licensepb.DeleteClusterRequest) (*licensepb.DeleteClusterResponse, error) {
	return &licensepb.DeleteClusterResponse{}, l.db.Update(ctx, func(tx *db.Tx) error {
		return cluster.Delete(ctx, tx, l.by(ctx), req.GetId())
	})
}

// DeleteAll forgets all; there is no licence to forget.
func (l license) DeleteAll(ctx context.Context, _ *licensepb.DeleteAllRequest) (*licensepb.DeleteAllResponse, error) {
	return &licensepb.DeleteAllResponse{}, l.db.Update(ctx, func(tx *db.Tx) error { return cluster.DeleteAll(ctx, tx, l.by(ctx)) })
}

func (l license) by(ctx context.Context) audit.By {
	return l.sessions.By(session.FromContext(ctx).Name)
}

// Heartbeat is a cluster's, which shows its secret instead of a token.
func (l license) Heartbeat(ctx context.Context, req *licensepb.HeartbeatRequest) (*licensepb.HeartbeatResponse, error) {
	err := l.db.Update(ctx, func(tx *db.Tx) error {
		return cluster.Beat(ctx, tx, cluster.Cluster{
			ID: req.GetId(), Version: req.GetVersion(), AuthEnabled: req.GetAuthEnabled(), ClientID: req.GetClientId(), Heartbeat: l.now(),
		}, secret.Text(req.GetSecret()))
	})
	return &licensepb.HeartbeatResponse{License: &pb.LicenseRecord{Expires: info().GetExpires()}}, err
}

// ListClusters is for administrators.
func (l license) ListClusters(ctx context.Context, _ *licensepb.ListClustersRequest) (*licensepb.ListClustersResponse, error) {
	all, err := db.All(ctx, l.db.View, cluster.List)
	out := &licensepb.ListClustersResponse{}
	for _, c := range all {
		out.Clusters = append(out.Clusters, &licensepb.ClusterStatus{
			Id: c.ID, Address: c.Address, Version: c.Version, AuthEnabled: c.AuthEnabled, ClientId: c.ClientID,
			LastHeartbeat: wire.Timestamp(c.Heartbeat), CreatedAt: wire.Timestamp(c.Created),
		})
	}
	return out, err
}

// ListUserClusters is what anybody who is signed in may know, for contexts.
func (l license) ListUserClusters(ctx context.Context, _ *licensepb.ListUserClustersRequest) (*licensepb.ListUserClustersResponse, error) {
	all, err := db.All(ctx, l.db.View, cluster.List)
	out := &licensepb.ListUserClustersResponse{}
	for _, c := range all {
		out.Clusters = append(out.Clusters, &licensepb.UserClusterInfo{
			Id: c.ID, ClusterDeploymentId: c.DeploymentID, Address: c.UserAddress, EnterpriseServer: c.EnterpriseServer,
		})
	}
	return out, err
}
