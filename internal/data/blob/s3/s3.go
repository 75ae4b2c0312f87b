package s3

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"pachyderm/internal/data/blob"
	"pachyderm/internal/fault"
)

const (
	// attempts is how often a request is sent that the store does not answer, or asks
	// to be sent again, in some seconds altogether.
	attempts = 5
	// headerWait is how long the store may take to begin its answer.
	headerWait = time.Minute
	// slash stands in keys for the slash of a name, and sorts alike: stores that keep
	// objects as files cannot have both a and a/b.
	slash = "."
	// checked is the object that Check writes.
	checked = "check"
)

// Config says where the bucket is, and who we are there.
type Config struct {
	// Endpoint is such as https://s3.example.com, or s3.example.com, which is the same;
	// without encryption only with http:// before it.
	Endpoint string
	Bucket   string
	// Prefix begins the keys of all objects, such as "pachyderm/"; others in the bucket
	// are left alone.
	Prefix string
	// Region is that of the bucket; "" asks the store.
	Region               string
	AccessKey, SecretKey string
	// CAFile is a PEM file with the authorities of the store's certificate, in place of
	// the system's.
	CAFile string
	// PathStyle has the bucket in the path and not in the host's name.
	PathStyle bool
}

// Store is a bucket. It implements blob.Store.
type Store struct {
	core           minio.Core
	bucket, prefix string
	at             string // for people
}

var _ blob.Store = (*Store)(nil)

// New makes a store; the object store is not asked anything yet. Fault: Invalid.
func New(c Config) (*Store, error) { return open(c, requestFor) }

// open is New, with how long one request may take.
func open(c Config, wait time.Duration) (*Store, error) {
	u, err := parseEndpoint(c.Endpoint)
	if err != nil {
		return nil, err
	}
	for field, value := range map[string]string{"bucket": c.Bucket, "access key": c.AccessKey, "secret key": c.SecretKey} {
		if value == "" {
			return nil, fault.New(fault.Invalid, "the object store has no %s", field).Next("name it")
		}
	}
	transport, err := newTransport(c.CAFile)
	if err != nil {
		return nil, err
	}
	o := &minio.Options{
		Creds: credentials.NewStaticV4(c.AccessKey, c.SecretKey, ""), Secure: u.Scheme == "https", Transport: bounded{transport, wait},
		Region: c.Region, MaxRetries: attempts, BucketLookup: minio.BucketLookupAuto,
	}
	if c.PathStyle {
		o.BucketLookup = minio.BucketLookupPath
	}
	client, err := minio.New(u.Host, o)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the endpoint %s is none of an object store", u.Host).Because(err)
	}
	return &Store{minio.Core{Client: client}, c.Bucket, c.Prefix, u.Scheme + "://" + u.Host + "/" + c.Bucket}, nil
}

func parseEndpoint(endpoint string) (*url.URL, error) {
	if !strings.Contains(endpoint, "://") {
		endpoint = "https://" + endpoint
	}
	u, err := url.Parse(endpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" ||
		u.RawQuery != "" || u.Fragment != "" { // which may have secrets in it: the value is not repeated
		return nil, fault.New(fault.Invalid, "the endpoint of the object store is no address of a server").
			Next("write it as https://s3.example.com; keys and the bucket have places of their own")
	}
	return u, nil
}

func newTransport(caFile string) (*http.Transport, error) {
	transport, err := minio.DefaultTransport(true)
	if err != nil {
		return nil, err
	}
	transport.ResponseHeaderTimeout = headerWait
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return transport, nil
	}
	pem, err := os.ReadFile(caFile) //nolint:gosec // the operator names it
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		return nil, fault.New(fault.Invalid, "the file %s has no certificates of authorities", caFile).
			Next("name a PEM file that pachd may read").Because(err)
	}
	transport.TLSClientConfig.RootCAs = pool
	return transport, nil
}

// key is the key of an object. Fault: Invalid.
func (s *Store) key(ctx context.Context, name string) (string, error) {
	return s.prefix + strings.ReplaceAll(name, "/", slash), cmp.Or(blob.CheckName(name), ctx.Err())
}

// Put writes an object.
func (s *Store) Put(ctx context.Context, name string, data []byte) error {
	key, err := s.key(ctx, name)
	if err != nil {
		return err
	}
	// The digest is signed and the same everywhere; signed pieces are not, and cost more.
	info, err := s.core.Client.PutObject(ctx, s.bucket, key, bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{
		SendContentMd5: true, DisableContentSha256: true, DisableMultipart: true, ContentType: "application/octet-stream",
	})
	if err == nil && info.ETag == "" {
		return fault.New(fault.Unavailable, "%s answers as if it kept what it is given, but as no object store does", s.at).
			Next("see that the endpoint is that of the object store, and no proxy or page before it")
	}
	return s.fault(ctx, name, err)
}

// Get reads a part of an object.
func (s *Store) Get(ctx context.Context, name string, offset, length int64) ([]byte, error) {
	key, err := s.key(ctx, name)
	if err = cmp.Or(err, blob.CheckRange(offset, length)); err != nil {
		return nil, err
	}
	if length == 0 { // for which there is no range
		o, err := s.Head(ctx, name)
		if err == nil && offset > o.Size {
			err = blob.Short(name, offset, length)
		}
		return nil, err
	}
	var o minio.GetObjectOptions
	if err := o.SetRange(offset, offset+length-1); err != nil {
		return nil, err
	}
	body, info, _, err := s.core.GetObject(ctx, s.bucket, key, o)
	if minio.ToErrorResponse(err).Code == minio.InvalidRange {
		return nil, blob.Short(name, offset, length).Because(err)
	}
	if err != nil {
		return nil, s.fault(ctx, name, err)
	}
	defer func() { _ = body.Close() }() // it was only read
	if info.Size != length {            // before room is made for it
		return nil, blob.Short(name, offset, length)
	}
	data := make([]byte, length)
	if _, err := io.ReadFull(body, data); err != nil {
		return nil, s.fault(ctx, name, err)
	}
	return data, nil
}

// Head describes an object.
func (s *Store) Head(ctx context.Context, name string) (blob.Object, error) {
	key, err := s.key(ctx, name)
	if err != nil {
		return blob.Object{}, err
	}
	info, err := s.core.StatObject(ctx, s.bucket, key, minio.StatObjectOptions{})
	if err != nil {
		return blob.Object{}, s.fault(ctx, name, err)
	}
	if info.Size < 0 {
		return blob.Object{}, s.errNonsense("an object of %d bytes", info.Size)
	}
	return blob.Object{Name: name, Size: info.Size, Modified: info.LastModified}, nil
}

// Delete removes an object.
func (s *Store) Delete(ctx context.Context, name string) error {
	key, err := s.key(ctx, name)
	if err != nil {
		return err
	}
	err = s.fault(ctx, name, s.core.RemoveObject(ctx, s.bucket, key, minio.RemoveObjectOptions{}))
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// List is the objects with a prefix.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		if err := cmp.Or(blob.CheckPrefix(prefix), ctx.Err()); err != nil {
			yield(blob.Object{}, err)
			return
		}
		from := s.prefix + strings.ReplaceAll(prefix, "/", slash)
		at, last := &listing{}, ""
		ctx = context.WithValue(ctx, listKey{}, at)
		for info := range s.core.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: from, Recursive: true}) {
			if info.Err != nil {
				yield(blob.Object{}, s.fault(ctx, prefix, info.Err))
				return
			}
			if info.Key <= last || info.Size < 0 {
				yield(blob.Object{}, s.errNonsense("%q of %d bytes after %q", fault.Clean(info.Key, 200), info.Size, fault.Clean(last, 200)))
				return
			}
			at.empty, last = 0, info.Key
			name := strings.ReplaceAll(strings.TrimPrefix(info.Key, s.prefix), slash, "/")
			if blob.CheckName(name) != nil { // somebody else's
				continue
			}
			if !yield(blob.Object{Name: name, Size: info.Size, Modified: info.LastModified}, nil) {
				return
			}
		}
	}
}

// Check writes an object, reads it and removes it: not all that answers 200 keeps anything.
func (s *Store) Check(ctx context.Context) error {
	data := []byte(rand.Text())
	if err := s.Put(ctx, checked, data); err != nil {
		return err
	}
	got, err := s.Get(ctx, checked, 0, int64(len(data)))
	if fault.Is(err, fault.NotFound) || err == nil && !bytes.Equal(got, data) {
		return fault.New(fault.Unavailable, "the object store %s does not keep what it is given", s.at).
			Next("see that the endpoint is that of the object store, and that nothing deletes or changes objects there").Because(err)
	}
	return cmp.Or(err, s.Delete(ctx, checked))
}

// errNonsense says that the store describes its objects as none can be.
func (s *Store) errNonsense(format string, a ...any) error {
	return fault.New(fault.Unavailable, "the object store %s says what cannot be: %s", s.at, fmt.Sprintf(format, a...)).
		Next("see that it is sound, and that its address is right")
}

// fault says what the store's answer means; nil if there is no error. The library's
// errors have the store's words and the object's name in them, and no keys.
func (s *Store) fault(ctx context.Context, name string, err error) error {
	if err == nil {
		return nil
	}
	if why := ctx.Err(); why != nil {
		return errors.Join(why, err)
	}
	answer := minio.ToErrorResponse(err)
	switch {
	case answer.Code == minio.NoSuchKey, answer.StatusCode == http.StatusNotFound && answer.Code != minio.NoSuchBucket:
		return blob.Missing(name).Because(err)
	case answer.Code == minio.NoSuchBucket:
		return fault.New(fault.Unavailable, "there is no bucket %s", s.at).Next("make it, or name another").Because(err)
	case answer.StatusCode == http.StatusForbidden, answer.StatusCode == http.StatusUnauthorized:
		return fault.New(fault.Unavailable, "the object store %s refuses us: %s", s.at, fault.Clean(answer.Code, 60)).
			Next("see that the access key and the secret key are right, and may read, write, delete and list").Because(err)
	case answer.StatusCode == http.StatusInsufficientStorage, strings.Contains(answer.Code, "QuotaExceeded"),
		strings.Contains(answer.Code, "StorageFull"):
		return fault.New(fault.Exhausted, "the object store %s is full", s.at).
			Next("delete what is not needed, or give it more room").Because(err)
	case answer.Code != "":
		return fault.New(fault.Unavailable, "the object store %s has failed: %s", s.at, fault.Clean(answer.Code, 60)).
			Next("try again").Because(err)
	}
	return fault.New(fault.Unavailable, "the object store %s does not answer", s.at).
		Next("see that it runs, and that its address and certificate are right").Because(err)
}
