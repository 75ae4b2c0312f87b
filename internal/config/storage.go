package config

import (
	"errors"
	"io/fs"
	"strings"

	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
	"pachyderm/internal/webaddr"
)

// Storage says where the bytes of files are kept: in a directory or, with an endpoint,
// in a bucket.
type Storage struct {
	Dir string `json:"dir" doc:"The directory that the bytes of files are in, sealed; objects in the data directory when empty. Replicas on PostgreSQL need one that all of them have, or s3: what one of them wrote into a directory of its own the others cannot read."`
	S3  S3     `json:"s3"`
}

// S3 is a bucket of an object store.
type S3 struct {
	Endpoint      string      `json:"endpoint" doc:"Address of an object store that speaks S3, such as https://s3.eu-central-1.amazonaws.com, to keep the bytes of files there and not in storage.dir. What is in the one is not moved to the other."`
	Bucket        string      `json:"bucket" doc:"Its bucket, which has to be there."`
	Prefix        string      `json:"prefix" doc:"What the keys of all objects begin with, such as pachyderm/; others in the bucket are left alone."`
	Region        string      `json:"region" doc:"The region of the bucket; the store is asked when empty."`
	AccessKey     secret.Text `json:"accessKey" doc:"The access key, which may read, write, delete and list."`
	SecretKey     secret.Text `json:"secretKey" doc:"The secret key that goes with it."`
	SecretKeyFile string      `json:"secretKeyFile" doc:"A file with the secret key, in place of secretKey; it is read at the start."`
	CAFile        string      `json:"caFile" doc:"The CA certificates in PEM that the store's is verified with, in place of the system's."`
	PathStyle     bool        `json:"pathStyle" doc:"Name the bucket in the path and not in the host name, as most stores outside of AWS need it."`
}

// read takes the secret key from its file.
func (s *S3) read() error {
	if s.SecretKeyFile == "" || s.SecretKey != "" {
		return nil // both are a problem that validate finds
	}
	data, err := secret.ReadFile("secret key of the object store", s.SecretKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Precondition, "storage.s3.secretKeyFile: the file %s is not there", s.SecretKeyFile).
			Next("put the secret key into it")
	}
	if err != nil {
		return fault.Prefix(err, "storage.s3.secretKeyFile")
	}
	s.SecretKey = secret.Text(strings.TrimSpace(string(data)))
	return nil
}

func (s Storage) validate(add func(format string, a ...any)) {
	if s.S3.Endpoint == "" {
		for key, value := range map[string]string{
			"bucket": s.S3.Bucket, "prefix": s.S3.Prefix, "region": s.S3.Region, "accessKey": s.S3.AccessKey.Reveal(),
			"secretKey": s.S3.SecretKey.Reveal(), "caFile": s.S3.CAFile,
		} {
			if value != "" {
				add("storage.s3.%s: is for an object store, and storage.s3.endpoint names none", key)
			}
		}
		return
	}
	if s.Dir != "" {
		add("storage: set dir or s3.endpoint, not both")
	}
	if u, err := webaddr.Parse(s.S3.Endpoint); err != nil || u.Path != "" {
		add("storage.s3.endpoint: is not an address such as https://s3.example.com")
	}
	for key, value := range map[string]string{
		"bucket": s.S3.Bucket, "accessKey": s.S3.AccessKey.Reveal(), "secretKey": s.S3.SecretKey.Reveal(),
	} {
		if value == "" {
			add("storage.s3.%s: is missing", key)
		}
	}
}

// storageNotes are what an operator should know of where data is kept.
func (c Config) storageNotes() []string {
	if c.Storage.S3.Endpoint != "" || !c.Database.isPostgres(c.Database.URL) {
		return nil
	}
	return []string{"the bytes of files are in the directory " + c.Storage.Dir + ", and the database is PostgreSQL: " +
		"if more than one pachd uses it, all need that directory, or storage.s3"}
}
