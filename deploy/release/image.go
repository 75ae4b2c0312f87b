package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// user is who the image runs as, and what the chart's securityContext says.
const user = 65532

// repository is where the chart looks for the image (image.repository).
const repository = "pachyderm/pachd"

const (
	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"
	emptyType    = "application/vnd.oci.empty.v1+json"
	sbomType     = "application/vnd.cyclonedx+json"
)

// descriptor says what has a digest (OCI Image Format, descriptor.md).
type descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"`
	Size         int               `json:"size"`
	Platform     *ociPlatform      `json:"platform,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	ArtifactType string            `json:"artifactType,omitempty"`
}

type ociPlatform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

// manifest is of an image, of an SBOM or of several of them.
type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        *descriptor       `json:"config,omitempty"`
	Layers        []descriptor      `json:"layers,omitempty"`
	Manifests     []descriptor      `json:"manifests,omitempty"`
	Subject       *descriptor       `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

type imageConfig struct {
	Created      time.Time `json:"created"`
	Architecture string    `json:"architecture"`
	OS           string    `json:"os"`
	Config       struct {
		User       string
		Env        []string
		Entrypoint []string
		Cmd        []string
		WorkingDir string
		Labels     map[string]string
		StopSignal string
	} `json:"config"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

// layout is an OCI image layout (image-layout.md).
type layout struct{ tree }

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func (l layout) blob(mediaType string, data []byte) descriptor {
	sum := digest(data)
	l.tree["blobs/sha256/"+sum] = file{data: data}
	return descriptor{MediaType: mediaType, Digest: "sha256:" + sum, Size: len(data)}
}

func (l layout) json(mediaType string, v any) (descriptor, error) {
	data, err := json.Marshal(v)
	return l.blob(mediaType, data), err
}

// makeImage makes an image of pachd for all platforms of Linux, in an archive that
// skopeo, ctr and podman read. SBOMs refer to the image of their platform, as they do
// in a registry.
func makeImage(ctx context.Context, r *release, platforms []platform) error {
	l := layout{tree{}}
	var images, sboms []descriptor
	for _, p := range platforms {
		if p.os != "linux" {
			continue
		}
		files, err := rootOf(p)
		if err != nil {
			return err
		}
		image, err := l.image(r, p, files, "/usr/bin/pachd", "--data-dir", "/pach")
		if err != nil {
			return err
		}
		sbom, err := r.components(ctx, p.files["pachd"])
		if err != nil {
			return err
		}
		attached, err := l.attached(sbom, image, r.time)
		if err != nil {
			return err
		}
		images, sboms = append(images, image), append(sboms, attached)
	}
	if len(images) == 0 {
		return errors.New("an image is for Linux: add linux/amd64 to the platforms")
	}
	if err := l.top(r, "docker.io/"+repository+":"+r.version, images, sboms); err != nil {
		return err
	}
	data, err := l.tarball("", r.time)
	if err != nil {
		return err
	}
	return r.write("pachd_"+r.version+"_image.tar", data)
}

// top adds the index of the images, under a name, and of what refers to them.
func (l layout) top(r *release, name string, images, others []descriptor) error {
	whole, err := l.json(indexType, manifest{SchemaVersion: 2, MediaType: indexType, Manifests: images, Annotations: r.annotations()})
	if err != nil {
		return err
	}
	whole.Annotations = map[string]string{
		"org.opencontainers.image.ref.name": name[strings.LastIndex(name, ":")+1:], "io.containerd.image.name": name,
	}
	top, err := json.Marshal(manifest{SchemaVersion: 2, MediaType: indexType, Manifests: append([]descriptor{whole}, others...)})
	l.tree["index.json"] = file{data: top}
	l.tree["oci-layout"] = file{data: []byte(`{"imageLayoutVersion":"1.0.0"}`)}
	return err
}

func (r *release) annotations() map[string]string {
	return map[string]string{
		"org.opencontainers.image.title": "pachd", "org.opencontainers.image.description": "Pachyderm's server",
		"org.opencontainers.image.version": r.version, "org.opencontainers.image.revision": r.revision,
		"org.opencontainers.image.created": r.time.Format(time.RFC3339), "org.opencontainers.image.licenses": "Apache-2.0",
	}
}

// rootOf is what is in the image: pachd, a name for its user, and directories. The
// certificates that it trusts without others are in pachd itself.
func rootOf(p platform) (tree, error) {
	id := strconv.Itoa(user)
	files := tree{
		"etc/passwd": {data: []byte("root:x:0:0:root:/:/sbin/nologin\npachd:x:" + id + ":" + id + ":pachd:/pach:/sbin/nologin\n")},
		"etc/group":  {data: []byte("root:x:0:\npachd:x:" + id + ":\n")},
		"tmp":        {dir: true, mode: 0o1777},
		"pach":       {dir: true, mode: 0o700, owner: user},
	}
	if err := files.program("usr/bin/pachd", p.files["pachd"]); err != nil {
		return nil, err
	}
	return files, files.add("usr/share/doc/pachyderm/copyright", "deploy/debian/copyright")
}

// image adds the image for one platform.
func (l layout) image(r *release, p platform, files tree, entrypoint string, args ...string) (descriptor, error) {
	text, err := files.tarball("", r.time)
	if err != nil {
		return descriptor{}, err
	}
	layer, err := compressed(text)
	if err != nil {
		return descriptor{}, err
	}
	c := imageConfig{Created: r.time, Architecture: p.arch, OS: p.os}
	c.Config.User = fmt.Sprintf("%d:%d", user, user)
	c.Config.Entrypoint, c.Config.Cmd = []string{entrypoint}, args
	c.Config.Env = []string{"PATH=/usr/bin"}
	c.Config.WorkingDir, c.Config.StopSignal, c.Config.Labels = "/", "SIGTERM", r.annotations()
	c.RootFS.Type, c.RootFS.DiffIDs = "layers", []string{"sha256:" + digest(text)}
	config, err := l.json(configType, c)
	if err != nil {
		return descriptor{}, err
	}
	d, err := l.json(manifestType, manifest{
		SchemaVersion: 2, MediaType: manifestType, Config: &config, Layers: []descriptor{l.blob(layerType, layer)}, Annotations: r.annotations(),
	})
	d.Platform = &ociPlatform{Architecture: p.arch, OS: p.os}
	return d, err
}

// attached adds an SBOM that refers to an image (manifest.md, subject).
func (l layout) attached(sbom []byte, image descriptor, at time.Time) (descriptor, error) {
	empty := l.blob(emptyType, []byte("{}"))
	d, err := l.json(manifestType, manifest{
		SchemaVersion: 2, MediaType: manifestType, ArtifactType: sbomType, Config: &empty, Subject: &image,
		Layers:      []descriptor{l.blob(sbomType, sbom)},
		Annotations: map[string]string{"org.opencontainers.image.created": at.Format(time.RFC3339)},
	})
	d.ArtifactType = sbomType
	return d, err
}

// makeChart makes the chart, whose default image is the release's.
func makeChart(ctx context.Context, r *release, _ []platform) error {
	const dir = "deploy/helm/pachyderm"
	listed, err := output(ctx, nil, "git", "ls-files", dir)
	if err != nil {
		return err
	}
	t := tree{}
	for _, p := range regexp.MustCompile(`\S+`).FindAllString(listed, -1) {
		if err := t.add("pachyderm"+p[len(dir):], p); err != nil {
			return err
		}
	}
	about := t["pachyderm/Chart.yaml"].data
	about = regexp.MustCompile(`(?m)^(version|appVersion): .*$`).ReplaceAll(about, []byte("$1: "+r.version))
	t["pachyderm/Chart.yaml"] = file{data: bytes.TrimSpace(about)}
	data, err := t.tarball("", r.time)
	if err == nil {
		data, err = compressed(data)
	}
	if err != nil {
		return err
	}
	return r.write(path.Base(dir)+"-"+r.version+".tgz", data)
}
