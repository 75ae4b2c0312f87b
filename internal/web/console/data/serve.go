package data

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"

	"pachyderm/api/pfs"
	"pachyderm/internal/web/console/page"
)

// contain keeps what is in a file from being anything in this origin.
func contain(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// download hands a file over, for the disk of whoever asks.
func download(c *page.Call) error {
	info, err := inspect(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(c.Unhurried())
	defer cancel()
	stream, err := c.API.PFS.GetFile(ctx, &pfs.GetFileRequest{File: exactly(info.GetFile())})
	if err != nil {
		return err
	}
	piece, err := stream.Recv() // what is refused is refused before the answer begins
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	h := c.W.Header()
	contain(h)
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(info.GetFile().GetPath())}))
	// A download that breaks off is known by its length.
	h.Set("Content-Length", strconv.FormatInt(info.GetSizeBytes(), 10))
	if c.R.Method == http.MethodHead {
		return nil
	}
	for ; err == nil; piece, err = stream.Recv() {
		if _, err := c.W.Write(piece.GetValue()); err != nil {
			return nil // nobody is there any more
		}
	}
	if !errors.Is(err, io.EOF) {
		c.Log.InfoContext(c.R.Context(), "console: a download broke off", "error", err)
	}
	return nil
}

// image serves an image for the page of its file.
func image(c *page.Call) error {
	info, err := inspect(c)
	if err != nil {
		return err
	}
	if info.GetSizeBytes() > maxImage {
		return errNoImage()
	}
	body, err := read(c, info.GetFile(), maxImage)
	if err != nil {
		return err
	}
	kind := imageType(body)
	if kind == "" {
		return errNoImage()
	}
	contain(c.W.Header())
	c.W.Header().Set("Content-Type", kind)
	_, _ = c.W.Write(body) // whoever is not there any more needs none
	return nil
}

func errNoImage() error {
	return page.Problem{
		Status: http.StatusUnsupportedMediaType, Title: "This is not shown as an image",
		What: "Shown are PNG, JPEG, GIF and WebP of up to 5 MiB, whatever a file is called.", Next: "Download the file.",
	}
}
