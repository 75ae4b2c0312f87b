package signin

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"pachyderm/api/admin"
	"pachyderm/api/auth"
)

// A job that has an ID token and no session gets one by itself.
func TestWhoami_DexToken(t *testing.T) {
	address := serve(t, func(s *grpc.Server) {
		auth.RegisterAPIServer(s, tokenTaker{})
		admin.RegisterAPIServer(s, inspector{info: &admin.ClusterInfo{}})
	})
	w := newWorld(t, map[string]string{"PACHD_ADDRESS": address, "DEX_TOKEN": "an-id-token"})
	if code := w.run(t, "whoami"); code != 0 || !strings.Contains(w.stdout.String(), "alice") || !strings.Contains(w.configText(t), "a-session") {
		t.Errorf("exit code %d: %s%s", code, &w.stdout, &w.stderr)
	}
	w = newWorld(t, map[string]string{"PACHD_ADDRESS": address, "DEX_TOKEN": "an-old-one"})
	if code := w.run(t, "whoami"); code != 0 || !strings.Contains(w.stderr.String(), "DEX_TOKEN was not accepted: too old") || strings.Contains(w.stderr.String(), "an-old-one") {
		t.Errorf("exit code %d: %s%s", code, &w.stdout, &w.stderr)
	}
}

// oldServer warns of every version of a client but none.
type oldServer struct{ admin.UnimplementedAPIServer }

func (oldServer) InspectCluster(_ context.Context, r *admin.InspectClusterRequest) (*admin.ClusterInfo, error) {
	info := &admin.ClusterInfo{Warnings: []string{"WARNING: something else"}}
	if r.GetClientVersion() == nil || r.GetClientVersion().GetMajor() > 0 {
		info.Warnings = append(info.Warnings, "WARNING: much newer")
	}
	return info, nil
}

func TestWhoami_VersionSkew(t *testing.T) {
	address := serve(t, func(s *grpc.Server) {
		auth.RegisterAPIServer(s, upstream{})
		admin.RegisterAPIServer(s, oldServer{})
	})
	for ignore, want := range map[string]string{"": "pachctl: something else\npachctl: much newer\n", "1": "pachctl: something else\n"} {
		w := newWorld(t, map[string]string{"PACHD_ADDRESS": address, "PACHYDERM_IGNORE_VERSION_SKEW": ignore})
		if code := w.run(t, "whoami"); code != 0 || w.stderr.String() != want {
			t.Errorf("ignoring %q: exit code %d: %s", ignore, code, &w.stderr)
		}
	}
}
