package pach

import (
	"context"
	"net/url"

	"google.golang.org/protobuf/types/known/structpb"

	pb "pachyderm/api/pach"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/setuplink"
	"pachyderm/internal/people/session"
	"pachyderm/internal/rpc/identity"
	"pachyderm/internal/rpc/wire"
	"pachyderm/internal/secret"
	"pachyderm/internal/webaddr"
)

// setupPath is where the console opens links.
const setupPath = "/console/setup/"

// setupURL is what a link begins with. Fault: Precondition where whoever is on the way
// could read the link, and what is sent by it.
func (s *server) setupURL(ctx context.Context) (*url.URL, error) {
	u, err := url.Parse(s.issuer.Outside(ctx, s.issuer.LegacyRedirect()))
	if err != nil {
		return nil, err
	}
	if u.Scheme != "https" && !webaddr.IsLoopback(u.Hostname()) {
		return nil, fault.New(fault.Precondition, "browsers reach this server at %s://%s, "+
			"where whoever is on the way could read the link and the secret that is sent by it", u.Scheme, u.Host).
			Next("serve it by https, and set the issuer to that address with: pachctl idp set-config")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: setupPath}, nil
}

func setupLinkToProto(l setuplink.Link) *pb.SetupLink {
	states := map[setuplink.State]pb.SetupLink_State{
		setuplink.Sent: pb.SetupLink_SENT, setuplink.Begun: pb.SetupLink_BEGUN, setuplink.Submitted: pb.SetupLink_SUBMITTED,
		setuplink.Approved: pb.SetupLink_APPROVED,
	}
	return &pb.SetupLink{
		Id: l.ID, ConnectorId: l.Connector, Name: l.Name, Type: l.Type, Preset: l.Preset, CreatedBy: l.By.String(),
		Created: wire.Timestamp(l.Created), Expires: wire.Timestamp(l.Expires), Changed: wire.Timestamp(l.Changed),
		State: states[l.State], PrivateNetwork: !l.PublicOnly,
	}
}

// CreateSetupLink makes a link for one connector.
func (s *server) CreateSetupLink(ctx context.Context, req *pb.CreateSetupLinkRequest) (*pb.CreateSetupLinkResponse, error) {
	at, err := s.setupURL(ctx)
	if err != nil {
		return nil, err
	}
	l, token, err := s.issuer.SetupLinks.Create(ctx, identity.Author(ctx), setuplink.Link{
		Connector: req.GetConnectorId(), Name: req.GetName(), Type: req.GetType(), Preset: req.GetPreset(), PublicOnly: !req.GetPrivateNetwork(),
	}, req.GetExpiresIn().AsDuration())
	if err != nil {
		return nil, err
	}
	return &pb.CreateSetupLinkResponse{Link: setupLinkToProto(l), Url: at.JoinPath(token.Reveal()).String()}, nil
}

// ListSetupLinks shows the links, those that ended not long ago included.
func (s *server) ListSetupLinks(ctx context.Context, req *pb.ListSetupLinksRequest) (*pb.ListSetupLinksResponse, error) {
	all, next, err := s.issuer.SetupLinks.List(ctx, page(req))
	out := &pb.ListSetupLinksResponse{NextPageToken: next}
	for _, l := range all {
		out.Links = append(out.Links, setupLinkToProto(l))
	}
	return out, err
}

// GetSetupLink shows what was prepared by a link.
func (s *server) GetSetupLink(ctx context.Context, req *pb.GetSetupLinkRequest) (*pb.GetSetupLinkResponse, error) {
	l, err := s.issuer.SetupLinks.Get(ctx, req.GetId(), req.GetSeen().AsTime())
	if err != nil {
		return nil, err
	}
	p := l.Seen()
	out := &pb.GetSetupLinkResponse{
		Link: setupLinkToProto(l), Steps: stepsToProto(p.Steps), Tested: p.IsTested, User: p.User.String(), Groups: p.Groups,
	}
	if p.Document != nil {
		out.Connector, err = identity.ConnectorToProto(registry.Connector{ID: l.Connector, Name: l.Name, Type: l.Type, Config: p.Document})
	}
	return out, err
}

// ApproveSetupLink makes a connector of what was handed in.
func (s *server) ApproveSetupLink(ctx context.Context, req *pb.ApproveSetupLinkRequest) (*pb.ApproveSetupLinkResponse, error) {
	return &pb.ApproveSetupLinkResponse{}, s.issuer.SetupLinks.Approve(ctx, identity.Author(ctx), req.GetId(), req.GetDraft())
}

// DeleteSetupLink ends a link.
func (s *server) DeleteSetupLink(ctx context.Context, req *pb.DeleteSetupLinkRequest) (*pb.DeleteSetupLinkResponse, error) {
	return &pb.DeleteSetupLinkResponse{}, s.issuer.SetupLinks.Delete(ctx, session.FromContext(ctx).Name, req.GetId())
}

// held is a link as its holder sees it.
func held(l setuplink.Link) *pb.SetupLink {
	out := setupLinkToProto(l)
	out.CreatedBy = ""
	return out
}

// BeginSetup opens a link in one browser.
func (s *server) BeginSetup(ctx context.Context, req *pb.BeginSetupRequest) (*pb.BeginSetupResponse, error) {
	key, l, err := s.issuer.SetupLinks.Begin(ctx, secret.Text(req.GetToken()))
	if err != nil {
		return nil, err
	}
	return &pb.BeginSetupResponse{Key: key.Reveal(), Link: held(l)}, nil
}

// GetSetup is what the holder of a link prepares.
func (s *server) GetSetup(ctx context.Context, req *pb.GetSetupRequest) (*pb.GetSetupResponse, error) {
	l, err := s.issuer.SetupLinks.Held(ctx, secret.Text(req.GetKey()))
	if err != nil {
		return nil, err
	}
	return &pb.GetSetupResponse{Link: held(l), CallbackUrl: s.issuer.Outside(ctx, s.issuer.Endpoint("/callback"))}, nil
}

func configOf(c *structpb.Struct) map[string]any {
	if c == nil {
		return map[string]any{}
	}
	return c.AsMap()
}

// CheckSetup looks at what a sign-in will need of a provider.
func (s *server) CheckSetup(ctx context.Context, req *pb.CheckSetupRequest) (*pb.CheckSetupResponse, error) {
	steps, err := s.issuer.SetupLinks.Check(ctx, secret.Text(req.GetKey()), configOf(req.GetConfig()))
	return &pb.CheckSetupResponse{Steps: stepsToProto(steps)}, err
}

// StartSetupTest begins a sign-in of which nothing is stored.
func (s *server) StartSetupTest(ctx context.Context, req *pb.StartSetupTestRequest) (*pb.StartSetupTestResponse, error) {
	id, expires, err := s.issuer.SetupLinks.StartTest(ctx, secret.Text(req.GetKey()), configOf(req.GetConfig()))
	if err != nil {
		return nil, err
	}
	return &pb.StartSetupTestResponse{TestId: id, Url: s.issuer.TestURL(ctx, id), Expires: wire.Timestamp(expires)}, nil
}

// WaitSetupTest waits for its end.
func (s *server) WaitSetupTest(ctx context.Context, req *pb.WaitSetupTestRequest) (*pb.WaitSetupTestResponse, error) {
	r, done, err := s.issuer.SetupLinks.WaitTest(ctx, secret.Text(req.GetKey()), req.GetTestId())
	if err != nil || !done {
		return &pb.WaitSetupTestResponse{Result: &pb.WaitConnectorTestResponse{}}, err
	}
	return &pb.WaitSetupTestResponse{Result: resultToProto(r)}, nil
}

// SubmitSetup hands a document in.
func (s *server) SubmitSetup(ctx context.Context, req *pb.SubmitSetupRequest) (*pb.SubmitSetupResponse, error) {
	return &pb.SubmitSetupResponse{}, s.issuer.SetupLinks.Submit(ctx, secret.Text(req.GetKey()), configOf(req.GetConfig()))
}
