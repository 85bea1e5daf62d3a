package omnidesk

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

// hookFields are the names that a field of a hook may have, without regard to case, hyphens and underscores. Omnidesk documents
// none; the first of each is the default, which mirrors the calls in the other direction. The setting hook_fields goes before.
var hookFields = map[string][]string{
	"session":   {"chatsessionid", "sessionid", "session"},
	"message":   {"message", "text", "content", "body"},
	"agent":     {"username", "agentname", "agent", "user", "sender"},
	"ticket":    {"ticketid", "ticket"},
	"file":      {"file", "fileurl", "url", "attachment", "upload", "link"},
	"file_name": {"filename", "originalname", "name"},
	"typing":    {"typing", "istyping", "event"},
	"id":        {"messageid"}, // id alone may be anything's
	"time":      {"createdat", "timestamp", "time", "date"},
}

// hook is a hook call, read.
type hook struct {
	names  map[string]string // the setting hook_fields
	fields map[string]string // by plain name; of several the outermost
	vendor json.RawMessage   // the payload: JSON as it came, or the form with a list for each field
	file   message.Media     // sent along
}

func plain(name string) string {
	return strings.NewReplacer("_", "", "-", "", "[]", "").Replace(strings.ToLower(name))
}

// get returns a field by our name of it, or "".
func (h *hook) get(field string) string {
	for _, name := range append([]string{plain(h.names[field])}, hookFields[field]...) {
		if v := h.fields[name]; v != "" && name != "" {
			return v
		}
	}
	return ""
}

// readHook reads a body of JSON, of multipart or of form fields, whatever its media type says.
func readHook(req *connector.Request, names map[string]string) (*hook, error) {
	h := &hook{names: names, fields: map[string]string{}}
	if body := bytes.TrimSpace(req.Body); len(body) > 0 && (body[0] == '{' || body[0] == '[') {
		var v any
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		if d.Decode(&v) != nil || !json.Valid(body) {
			return nil, errors.New("not valid JSON")
		}
		h.vendor = body
		h.collect(v)
		query, err := url.ParseQuery(req.Query)
		for name, values := range query {
			h.fields[plain(name)] = cmp.Or(h.fields[plain(name)], values[0])
		}
		return h, err
	}
	if err := h.readForm(req); err != nil {
		return nil, errors.New("neither JSON, multipart/form-data nor form fields")
	}
	return h, nil
}

func (h *hook) readForm(req *connector.Request) error {
	r := http.Request{Method: http.MethodPost, URL: &url.URL{RawQuery: req.Query}, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(req.Body))}
	r.Header.Set("Content-Type", req.Header.Get("Content-Type"))
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	err := r.ParseForm()
	if form := r.ParseMultipartForm(int64(len(req.Body))); err != nil || form != nil && form != http.ErrNotMultipart {
		return errors.Join(err, form)
	}
	if r.MultipartForm != nil {
		for name, files := range r.MultipartForm.File {
			f, err := files[0].Open()
			if err != nil {
				return err
			}
			h.file.Data, err = io.ReadAll(f)
			if err = errors.Join(err, f.Close()); err != nil {
				return err
			}
			h.file.Name, h.file.MIME = strings.ToValidUTF8(files[0].Filename, "\uFFFD"), files[0].Header.Get("Content-Type")
			r.Form.Add(name, h.file.Name)
		}
	}
	for name, values := range r.Form {
		h.fields[plain(name)] = strings.ToValidUTF8(values[0], "\uFFFD")
	}
	h.vendor, err = json.Marshal(r.Form)
	return err
}

// collect takes the texts and numbers of a value and all below it.
func (h *hook) collect(v any) {
	var below []any
	switch v := v.(type) {
	case []any:
		below = v
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			switch text := v[name].(type) {
			case nil:
			case map[string]any, []any:
				below = append(below, text)
			default:
				h.fields[plain(name)] = cmp.Or(h.fields[plain(name)], fmt.Sprint(text))
			}
		}
	}
	for _, inner := range below {
		h.collect(inner)
	}
}

// media is the file of a hook: sent along, at a URL or as base64.
func (h *hook) media() *message.Media {
	m := h.file
	m.Name = cmp.Or(m.Name, h.get("file_name"))
	if text := h.get("file"); len(m.Data) > 0 {
	} else if u, err := url.Parse(text); err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") {
		m.URL = text
	} else if data, err := base64.StdEncoding.DecodeString(text); err == nil && len(data) > 0 {
		m.Data = data
	} else {
		return nil
	}
	if m.MIME == "" || m.MIME == "application/octet-stream" {
		m.MIME = cmp.Or(mime.TypeByExtension(path.Ext(cmp.Or(m.Name, m.URL))), m.MIME)
	}
	m.Type, _, _ = strings.Cut(m.MIME, "/")
	if m.Type != "image" && m.Type != "video" && m.Type != "audio" {
		m.Type = "document"
	}
	return &m
}
