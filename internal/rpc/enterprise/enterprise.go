package enterprise

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "pachyderm/api/enterprise"
	"pachyderm/internal/fault"
)

// info is the licence that nobody needs: one without end, as far as clients
// can show one.
func info() *pb.TokenInfo {
	return &pb.TokenInfo{Expires: timestamppb.New(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))}
}

type server struct{ pb.UnimplementedAPIServer }

// New serves enterprise_v2.
func New() pb.APIServer { return server{} }

// GetState is always active.
func (server) GetState(context.Context, *pb.GetStateRequest) (*pb.GetStateResponse, error) {
	return &pb.GetStateResponse{State: pb.State_ACTIVE, Info: info()}, nil
}

// GetActivationCode has none to show.
func (server) GetActivationCode(context.Context, *pb.GetActivationCodeRequest) (*pb.GetActivationCodeResponse, error) {
	return &pb.GetActivationCodeResponse{State: pb.State_ACTIVE, Info: info()}, nil
}

// Activate is the second half of "enterprise register": what it would bring is
// there already.
func (server) Activate(context.Context, *pb.ActivateRequest) (*pb.ActivateResponse, error) {
	return &pb.ActivateResponse{}, nil
}

// Heartbeat has nobody to tell.
func (server) Heartbeat(context.Context, *pb.HeartbeatRequest) (*pb.HeartbeatResponse, error) {
	return &pb.HeartbeatResponse{}, nil
}

// Deactivate is refused: to say yes would be to say that something ended.
func (server) Deactivate(context.Context, *pb.DeactivateRequest) (*pb.DeactivateResponse, error) {
	return nil, fault.New(fault.Precondition, "there is nothing to deactivate: pachd needs no licence, and every feature is part of it")
}

// Pause is refused, there being nothing to pause yet.
func (server) Pause(context.Context, *pb.PauseRequest) (*pb.PauseResponse, error) {
	return nil, errNoPause()
}

// Unpause is refused as Pause is.
func (server) Unpause(context.Context, *pb.UnpauseRequest) (*pb.UnpauseResponse, error) {
	return nil, errNoPause()
}

func errNoPause() error {
	return fault.New(fault.Unimplemented, "pausing is for the data and pipeline services, which this pachd does not have yet")
}

// PauseStatus is never paused.
func (server) PauseStatus(context.Context, *pb.PauseStatusRequest) (*pb.PauseStatusResponse, error) {
	return &pb.PauseStatusResponse{Status: pb.PauseStatusResponse_UNPAUSED}, nil
}
