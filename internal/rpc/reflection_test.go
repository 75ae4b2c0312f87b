package rpc_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"

	"pachyderm/internal/pachd/pachdtest"
)

func TestReflection(t *testing.T) {
	h := pachdtest.Start(t)
	stream, err := grpc_reflection_v1.NewServerReflectionClient(h.Conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Send(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}})
	if err != nil {
		t.Fatal(err)
	}
	res, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range res.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	wanted := []string{
		"admin_v2.API", "auth_v2.API", "data_v1.API", "enterprise_v2.API", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
		"identity_v2.API", "license_v2.API", "metadata.API", "pach_v1.API", "pfs_v2.API", "pps_v2.API", "transaction_v2.API", "versionpb_v2.API",
	}
	if diff := cmp.Diff(wanted, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
