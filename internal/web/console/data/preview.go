package data

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"pachyderm/api/pfs"
	"pachyderm/internal/web/console/page"
)

const (
	maxText    = 64 << 10 // bytes that a preview reads
	maxImage   = 5 << 20  // bytes of an image that is shown
	maxRows    = 100      // of a table, without its header
	maxColumns = 50
)

// preview is what a page shows of a file, none of it if all is empty.
type preview struct {
	Text            string
	Header          []string
	Rows            [][]cell
	IsImage, Large  bool
	Image           string // address
	Cut, CutColumns bool   // the file has more than is shown
	Empty           bool
}

// cell is one of a table, with the name of its column.
type cell struct{ Label, Text string }

// imageTypes are what is served as an image, found by looking at its bytes: none that a
// browser runs anything of.
func imageTypes() []string { return []string{"image/png", "image/jpeg", "image/gif", "image/webp"} }

// imageType is the type of an image that is shown, or "".
func imageType(head []byte) string {
	found := http.DetectContentType(head)
	for _, t := range imageTypes() {
		if t == found {
			return t
		}
	}
	return ""
}

func previewOf(c *page.Call, info *pfs.FileInfo) (p preview, err error) {
	head, err := read(c, info.GetFile(), maxText)
	if err != nil {
		return p, err
	}
	p.Cut = info.GetSizeBytes() > int64(len(head))
	switch {
	case len(head) == 0:
		p.Empty = true
		return p, nil
	case imageType(head) != "":
		p.IsImage, p.Large, p.Cut = info.GetSizeBytes() <= maxImage, info.GetSizeBytes() > maxImage, false
		return p, nil
	}
	text, ok := textOf(head, p.Cut)
	if !ok {
		return p, nil
	}
	if comma := separator(info.GetFile().GetPath()); comma != 0 && p.table(text, comma) {
		return p, nil
	}
	p.Text = text
	return p, nil
}

// textOf is what is read as text: UTF-8 without what no text has. The last character
// may have been cut.
func textOf(b []byte, cut bool) (string, bool) {
	for n := 0; cut && n < utf8.UTFMax-1 && len(b) > 0 && !utf8.Valid(b); n++ {
		b = b[:len(b)-1]
	}
	if !utf8.Valid(b) {
		return "", false
	}
	text := string(b)
	odd := strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\t\n\r\f\x1b", r) })
	return text, !odd
}

// separator is what stands between the columns of a table, or 0 for what is none.
func separator(name string) rune {
	switch strings.ToLower(path.Ext(name)) {
	case ".csv":
		return ','
	case ".tsv":
		return '\t'
	}
	return 0
}

// table reads a text as one, and reports whether it is.
func (p *preview) table(text string, comma rune) bool {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord, r.LazyQuotes = comma, -1, true
	var rows [][]string
	for len(rows) <= maxRows+1 {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			if p.Cut && len(rows) > 1 {
				rows = rows[:len(rows)-1] // of which there may be half
			}
			break
		}
		if err != nil {
			return false
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return false
	}
	if len(rows) > maxRows+1 {
		rows, p.Cut = rows[:maxRows+1], true
	}
	p.Header = p.columns(rows[0])
	for _, row := range rows[1:] {
		var cells []cell
		for n, text := range p.columns(row) {
			one := cell{Text: text}
			if n < len(p.Header) {
				one.Label = p.Header[n]
			}
			cells = append(cells, one)
		}
		p.Rows = append(p.Rows, cells)
	}
	return true
}

func (p *preview) columns(row []string) []string {
	p.CutColumns = p.CutColumns || len(row) > maxColumns
	return row[:min(len(row), maxColumns)]
}

// read reads the beginning of a file.
func read(c *page.Call, f *pfs.File, most int) ([]byte, error) {
	ctx, cancel := context.WithCancel(c.Context)
	defer cancel()
	var b bytes.Buffer
	for piece, err := range each(c.API.PFS.GetFile(ctx, &pfs.GetFileRequest{File: exactly(f)})) {
		if err != nil {
			return nil, err
		}
		if b.Write(piece.GetValue()); b.Len() >= most {
			break
		}
	}
	return b.Bytes()[:min(b.Len(), most)], nil
}

// exactly is a file for GetFile, which takes a pattern: of what a pattern has, a path
// has nothing but the backslash.
func exactly(f *pfs.File) *pfs.File {
	return &pfs.File{Commit: f.GetCommit(), Path: strings.ReplaceAll(f.GetPath(), `\`, `\\`), Datum: f.GetDatum()}
}
