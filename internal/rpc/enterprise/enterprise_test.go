package enterprise_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	enterprisepb "pachyderm/api/enterprise"
	licensepb "pachyderm/api/license"
	"pachyderm/internal/pachd/pachdtest"
)

func TestEnterprise_NoLicenceNeeded(t *testing.T) {
	pachdtest.Each(t, func(t *testing.T, h *pachdtest.Server) {
		enterprise, license := enterprisepb.NewAPIClient(h.Conn), licensepb.NewAPIClient(h.Conn)
		robot, _ := h.Robot("nobody", 0)
		state, err := enterprise.GetState(t.Context(), &enterprisepb.GetStateRequest{})
		if err != nil || state.GetState() != enterprisepb.State_ACTIVE || state.GetInfo().GetExpires() == nil || state.GetActivationCode() != "" {
			t.Errorf("state: %v, %v", state, err)
		}
		// "license activate" and "enterprise register" of older clients.
		got, err := license.Activate(h.Root(), &licensepb.ActivateRequest{ActivationCode: "any"})
		if err != nil || got.GetInfo().GetExpires() == nil {
			t.Errorf("license activate: %v, %v", got, err)
		}
		added, err := license.AddCluster(h.Root(), &licensepb.AddClusterRequest{
			Id: "member", Address: "grpc://member:30650", UserAddress: "grpc://localhost:30651", ClusterDeploymentId: "d", EnterpriseServer: true,
		})
		if err != nil || added.GetSecret() == "" {
			t.Fatalf("AddCluster: %v, %v", added, err)
		}
		_, err = enterprise.Activate(h.Root(), &enterprisepb.ActivateRequest{LicenseServer: "grpc://localhost:1650", Id: "member", Secret: added.GetSecret()})
		pachdtest.Want(t, err, codes.OK)
		_, err = license.AddCluster(h.Root(), &licensepb.AddClusterRequest{Id: "member", Address: "x"})
		pachdtest.Want(t, err, codes.AlreadyExists, "cluster ID is not unique")
		_, err = license.AddCluster(h.Root(), &licensepb.AddClusterRequest{Address: "x"})
		pachdtest.Want(t, err, codes.InvalidArgument)

		for id, secret := range map[string]string{"member": "wrong", "nosuch": added.GetSecret(), "": ""} {
			_, err := license.Heartbeat(t.Context(), &licensepb.HeartbeatRequest{Id: id, Secret: secret})
			pachdtest.Want(t, err, codes.Unauthenticated, "cluster ID or secret is not valid")
		}
		beat, err := license.Heartbeat(t.Context(), &licensepb.HeartbeatRequest{Id: "member", Secret: added.GetSecret(), Version: "2.5.0", AuthEnabled: true, ClientId: "pachd"})
		if err != nil || beat.GetLicense().GetExpires() == nil {
			t.Errorf("heartbeat: %v, %v", beat, err)
		}
		if _, err := license.UpdateCluster(h.Root(), &licensepb.UpdateClusterRequest{Id: "member", Address: "grpc://elsewhere:30650"}); err != nil {
			t.Fatal(err)
		}
		all, err := license.ListClusters(h.Root(), &licensepb.ListClustersRequest{})
		if err != nil || len(all.GetClusters()) != 1 {
			t.Fatalf("clusters: %v, %v", all, err)
		}
		if c := all.GetClusters()[0]; c.GetAddress() != "grpc://elsewhere:30650" || c.GetVersion() != "2.5.0" || !c.GetAuthEnabled() || c.GetLastHeartbeat() == nil || c.GetCreatedAt() == nil {
			t.Errorf("the cluster: %v", c)
		}
		mine, err := license.ListUserClusters(robot, &licensepb.ListUserClustersRequest{})
		if err != nil || len(mine.GetClusters()) != 1 || mine.GetClusters()[0].GetAddress() != "grpc://localhost:30651" || !mine.GetClusters()[0].GetEnterpriseServer() {
			t.Errorf("for people: %v, %v", mine, err)
		}
		if _, err := license.DeleteCluster(h.Root(), &licensepb.DeleteClusterRequest{Id: "member"}); err != nil {
			t.Fatal(err)
		}
		_, err = license.DeleteCluster(h.Root(), &licensepb.DeleteClusterRequest{Id: "member"})
		pachdtest.Want(t, err, codes.NotFound)
		_, err = license.UpdateCluster(h.Root(), &licensepb.UpdateClusterRequest{Id: "member"})
		pachdtest.Want(t, err, codes.NotFound)

		_, err = enterprise.Deactivate(h.Root(), &enterprisepb.DeactivateRequest{})
		pachdtest.Want(t, err, codes.FailedPrecondition, "needs no licence")
		_, err = enterprise.Pause(h.Root(), &enterprisepb.PauseRequest{})
		pachdtest.Want(t, err, codes.Unimplemented, "pausing is for")
		paused, err := enterprise.PauseStatus(robot, &enterprisepb.PauseStatusRequest{})
		if err != nil || paused.GetStatus() != enterprisepb.PauseStatusResponse_UNPAUSED {
			t.Errorf("%v, %v", paused, err)
		}
		_, err = license.ListClusters(robot, &licensepb.ListClustersRequest{})
		pachdtest.Want(t, err, codes.PermissionDenied, "CLUSTER_LICENSE_LIST_CLUSTERS")

		// While authentication is off, these are open.
		h.Deactivate(h.Root())
		_, err = license.ListClusters(t.Context(), &licensepb.ListClustersRequest{})
		pachdtest.Want(t, err, codes.OK)
		_, err = enterprise.PauseStatus(t.Context(), &enterprisepb.PauseStatusRequest{})
		pachdtest.Want(t, err, codes.OK)
		_, err = license.DeleteAll(t.Context(), &licensepb.DeleteAllRequest{})
		pachdtest.Want(t, err, codes.OK)
	})
}
