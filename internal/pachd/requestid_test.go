package pachd_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	authpb "pachyderm/api/auth"
	"pachyderm/internal/db"
	"pachyderm/internal/pachd/pachdtest"
)

// What a client was told, the line in the log and the audit event have one id.
func TestRequestID_FoundEverywhere(t *testing.T) {
	s := pachdtest.Start(t)
	var header metadata.MD
	_, err := s.API.Auth.GetRobotToken(s.Root(), &authpb.GetRobotTokenRequest{Robot: "ci"}, grpc.Header(&header))
	ids := header.Get("x-request-id")
	if err != nil || len(ids) != 1 || len(ids[0]) != 8 {
		t.Fatalf("%v, %v", ids, err)
	}
	var events []string
	err = s.DB.View(t.Context(), func(tx *db.Tx) (err error) {
		events, err = db.Column[string](t.Context(), tx, `SELECT action FROM audit_events WHERE request = $1`, ids[0])
		return err
	})
	if err != nil || len(events) != 1 || events[0] != "token.robot" {
		t.Errorf("audit events of the request: %v, %v", events, err)
	}

	_, err = s.API.Auth.WhoAmI(t.Context(), &authpb.WhoAmIRequest{}, grpc.Header(&header))
	if id := header.Get("x-request-id"); err == nil || len(id) != 1 || id[0] == ids[0] || !strings.Contains(s.Log.String(), "request="+id[0]) {
		t.Errorf("of a refused call: %v, %v: %s", id, err, s.Log)
	}

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.HTTP+"/authorization-code/callback", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Request-Id", "of-a-stranger")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	page, err := io.ReadAll(res.Body)
	id := res.Header.Get("X-Request-Id")
	if err != nil || len(id) != 8 || !strings.Contains(string(page), id) || !strings.Contains(s.Log.String(), "request="+id) {
		t.Errorf("%d, id %q, %v, and the page says: %s", res.StatusCode, id, err, page)
	}
	if strings.Contains(s.Log.String(), "of-a-stranger") {
		t.Error("a stranger's id is taken")
	}
}
