package kubesecret

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pachyderm/internal/fault"
)

const (
	// timeout is for one request, from connecting to the end of the answer.
	timeout = 10 * time.Second
	// maxAnswer is twice what Kubernetes stores of a Secret at most, for base64.
	maxAnswer = 2 << 20
	// maxTries is how often a write is tried that others are quicker with: by then
	// something rewrites the Secret all the time.
	maxTries = 20
)

// Pod is what Kubernetes tells a pod of its API.
type Pod struct {
	// Host and Port are KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT.
	Host, Port string
	// ServiceAccount is the folder with token, ca.crt and namespace.
	ServiceAccount string
}

// Secret is one Secret in the namespace of the pod.
type Secret struct {
	pod  Pod
	name string
}

// New is the Secret of that name. Nothing is read yet.
func New(pod Pod, name string) *Secret { return &Secret{pod, name} }

// Key is one key of the Secret's data.
type Key struct {
	secret *Secret
	name   string
}

// Key is the key of that name.
func (s *Secret) Key(name string) Key { return Key{s, name} }

func (k Key) String() string { return fmt.Sprintf("%s in the Secret %s", k.name, k.secret.name) }

// object is a Secret as the API has it, with what we do not look at.
type object map[string]json.RawMessage

func (o object) data() (map[string][]byte, error) {
	data := map[string][]byte{}
	if o["data"] == nil {
		return data, nil
	}
	err := json.Unmarshal(o["data"], &data)
	return data, err
}

// Read returns the value of the key; fs.ErrNotExist if the Secret has no such key.
// Faults: Precondition where the Secret is missing, or the Role does not allow it;
// Unavailable where the API does not answer.
func (k Key) Read(ctx context.Context) ([]byte, error) {
	_, data, err := k.secret.get(ctx)
	if err != nil {
		return nil, err
	}
	value, ok := data[k.name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", k, fs.ErrNotExist)
	}
	return value, nil
}

// Fill writes the key if the Secret has none, and returns the value that it has then.
// Faults: as of Read; Precondition, too, for a Secret that cannot be changed.
func (k Key) Fill(ctx context.Context, value []byte) (kept []byte, err error) {
	err = k.swap(ctx, value, func(now []byte, ok bool) (bool, error) {
		if kept = value; ok {
			kept = now
		}
		return !ok, nil
	})
	return kept, err
}

// Replace writes the key if it still has the old value. Faults: as of Fill;
// Precondition if it has another one.
func (k Key) Replace(ctx context.Context, old, value []byte) error {
	return k.swap(ctx, value, func(now []byte, ok bool) (bool, error) {
		if !ok || !bytes.Equal(now, old) {
			return false, fault.New(fault.Precondition, "%s was changed by somebody else", k).Next("see who did, and try again")
		}
		return true, nil
	})
}

// swap writes the key if the value that it has now is to be replaced.
func (k Key) swap(ctx context.Context, value []byte, replaced func(now []byte, ok bool) (bool, error)) error {
	for range maxTries {
		o, data, err := k.secret.get(ctx)
		if err != nil {
			return err
		}
		now, ok := data[k.name]
		if write, err := replaced(now, ok); err != nil || !write {
			return err
		}
		data[k.name] = value
		if o["data"], err = json.Marshal(data); err != nil {
			return err
		}
		// The resourceVersion that was read is in it: a Secret that is another by now is
		// a conflict.
		body, err := json.Marshal(o)
		if err != nil {
			return err
		}
		status, _, err := k.secret.call(ctx, http.MethodPut, body)
		switch {
		case err != nil:
			return err
		case status == http.StatusOK:
			return nil
		case status != http.StatusConflict:
			return k.secret.refused(status, "update")
		}
	}
	return fault.New(fault.Unavailable, "the Secret %s is changed by others all the time", k.secret.name).
		Next("see what writes to it, and have it stop")
}

func (s *Secret) get(ctx context.Context) (object, map[string][]byte, error) {
	status, body, err := s.call(ctx, http.MethodGet, nil)
	if err != nil {
		return nil, nil, err
	}
	if status != http.StatusOK {
		return nil, nil, s.refused(status, "get")
	}
	var o object
	if err := json.Unmarshal(body, &o); err != nil {
		return nil, nil, s.notASecret()
	}
	data, err := o.data()
	// Without the version a write would be one over whatever is there.
	if err != nil || version(o) == "" || string(o["kind"]) != `"Secret"` {
		return nil, nil, s.notASecret()
	}
	return o, data, nil
}

func version(o object) string {
	var metadata struct {
		ResourceVersion string `json:"resourceVersion"`
	}
	if err := json.Unmarshal(o["metadata"], &metadata); err != nil {
		return ""
	}
	return metadata.ResourceVersion
}

// notASecret does not say what came instead: it may be somebody's secret.
func (s *Secret) notASecret() error {
	return fault.New(fault.Precondition, "%s does not answer with a Secret", s.address()).
		Next("see what is at KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT")
}

// refused words an answer that is none. The text that comes with it is not repeated:
// of a write it may quote what was written.
func (s *Secret) refused(status int, verb string) error {
	const byName = "or give pachd its keys by name: sealing.keyFile and bootstrap.rootTokenFile, " +
		"the chart's sealingKeySecretName and rootTokenSecretName"
	switch status {
	case http.StatusUnauthorized:
		return fault.New(fault.Precondition, "the Kubernetes API does not take the token of pachd's service account").
			Next("see that the pod has a current one (automountServiceAccountToken)")
	case http.StatusForbidden:
		return fault.New(fault.Precondition, "no Role allows pachd's service account to %s the Secret %s", verb, s.name).
			Next("apply the chart's Role and RoleBinding, %s", byName)
	case http.StatusNotFound:
		return fault.New(fault.Precondition, "there is no Secret %s in pachd's namespace", s.name).
			Next("restore it from a backup if it was there; for a new installation apply the chart's, which is empty, %s", byName)
	case http.StatusUnprocessableEntity:
		return fault.New(fault.Precondition, "the Secret %s cannot be changed", s.name).
			Next("see whether it is immutable, or a policy forbids it")
	}
	return fault.New(fault.Unavailable, "the Kubernetes API answers a %s of the Secret %s with status %d", verb, s.name, status).
		Next("see what is the matter with it, and start pachd again")
}

func (s *Secret) address() string { return "https://" + net.JoinHostPort(s.pod.Host, s.pod.Port) }

// call makes one request, and returns status and body.
func (s *Secret) call(ctx context.Context, method string, body []byte) (int, []byte, error) {
	if s.pod.Host == "" || s.pod.Port == "" {
		return 0, nil, fault.New(fault.Precondition, "pachd is not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set").
			Next("unset kubernetes.keysSecret outside of Kubernetes")
	}
	token, err := s.file("token")
	if err != nil {
		return 0, nil, err
	}
	namespace, err := s.file("namespace")
	if err != nil {
		return 0, nil, err
	}
	client, err := s.client()
	if err != nil {
		return 0, nil, err
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	path := fmt.Sprintf("/api/v1/namespaces/%s/secrets/%s?fieldManager=pachd", url.PathEscape(namespace), url.PathEscape(s.name))
	r, err := http.NewRequestWithContext(ctx, method, s.address()+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, s.silent(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Content-Type", "application/json")
	res, err := client.Do(r)
	if err != nil {
		return 0, nil, s.silent(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return 0, nil, s.silent(err)
	}
	if len(answer) > maxAnswer {
		return 0, nil, s.notASecret()
	}
	return res.StatusCode, answer, nil
}

func (s *Secret) silent(err error) error {
	return fault.New(fault.Unavailable, "the Kubernetes API at %s does not answer", s.address()).
		Next("pachd starts from the Secret %s: start it again when the API is there; see whether a NetworkPolicy keeps it from the API", s.name).
		Because(err)
}

// client trusts the cluster's CA alone. It follows no redirect and takes no proxy:
// the token is for nobody else.
func (s *Secret) client() (*http.Client, error) {
	pem, err := s.file("ca.crt")
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(pem)) {
		return nil, fault.New(fault.Precondition, "%s has no certificate", filepath.Join(s.pod.ServiceAccount, "ca.crt")).
			Next("see what mounts the service account's folder")
	}
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// file is the text of a file of the service account's, which Kubernetes replaces now
// and then.
func (s *Secret) file(name string) (string, error) {
	path := filepath.Join(s.pod.ServiceAccount, name)
	data, err := os.ReadFile(path) //nolint:gosec // the operator names the folder
	if errors.Is(err, fs.ErrNotExist) {
		return "", fault.New(fault.Precondition, "the pod has no service account's token: %s is missing", path).
			Next("set automountServiceAccountToken: true in the pod, as the chart does")
	}
	if err != nil {
		return "", fault.New(fault.Precondition, "cannot read %s", path).Next("check its owner and mode").Because(err)
	}
	if name == "ca.crt" {
		return string(data), nil
	}
	return strings.TrimSpace(string(data)), nil
}
