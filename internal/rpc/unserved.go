package rpc

import (
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/internal/version"
)

// servicesOfVersion1 are what clients of upstream's major version 1 call.
var servicesOfVersion1 = []string{
	"admin.API", "auth.API", "debug.API", "enterprise.API", "identity.API", "pfs.API", "pps.API", "transaction.API", "versionpb.API",
}

// serveUnknown answers calls of what no service has. The first text is
// upstream's, the others are gRPC's own.
func (s *Server) serveUnknown(_ any, stream grpc.ServerStream) error {
	full, _ := grpc.MethodFromServerStream(stream)
	service, method := splitMethod(full)
	if slices.Contains(servicesOfVersion1, service) {
		return status.Errorf(codes.Unimplemented,
			"this server is running pachyderm %d.x, but your client appears to be an older version - please upgrade", version.Current().GetMajor())
	}
	for known := range s.rows {
		if of, _ := splitMethod(known); of == service {
			return status.Errorf(codes.Unimplemented, "unknown method %s for service %s", method, service)
		}
	}
	return status.Errorf(codes.Unimplemented, "unknown service %s", service)
}
