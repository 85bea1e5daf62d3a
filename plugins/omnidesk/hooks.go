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
	"mime/multipart"
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
	files  []message.Media   // sent along
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
		h.take(query)
		return h, err
	}
	if err := h.readForm(req); err != nil {
		return nil, errors.New("neither JSON, multipart/form-data nor form fields")
	}
	return h, nil
}

func (h *hook) readForm(req *connector.Request) error {
	r := http.Request{Method: http.MethodPost, URL: &url.URL{RawQuery: req.Query}, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(req.Body))}
	contentType, several := req.Header.Get("Content-Type"), false
	if media, _, _ := strings.Cut(contentType, "/"); strings.EqualFold(media, "multipart") {
		several = true
	} else {
		contentType = "application/x-www-form-urlencoded"
	}
	r.Header.Set("Content-Type", contentType)
	err := r.ParseForm()
	if form := r.ParseMultipartForm(int64(len(req.Body))); err != nil || form != nil && (several || form != http.ErrNotMultipart) {
		return errors.Join(err, form)
	}
	if r.MultipartForm != nil {
		for _, name := range slices.Sorted(maps.Keys(r.MultipartForm.File)) {
			for _, header := range r.MultipartForm.File[name] {
				file := message.Media{Name: strings.ToValidUTF8(header.Filename, "\uFFFD"), MIME: header.Header.Get("Content-Type")}
				if file.Data, err = readPart(header); err != nil {
					return err
				}
				r.Form.Add(name, file.Name)
				h.files = append(h.files, file)
			}
		}
	}
	h.take(r.Form)
	h.vendor, err = json.Marshal(r.Form)
	return err
}

func readPart(header *multipart.FileHeader) ([]byte, error) {
	f, err := header.Open()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f)
	return data, errors.Join(err, f.Close())
}

// take takes the first value of each field that is not there yet; of names that differ in writing only, the first in the alphabet.
func (h *hook) take(form url.Values) {
	for _, name := range slices.Sorted(maps.Keys(form)) {
		h.fields[plain(name)] = cmp.Or(h.fields[plain(name)], strings.ToValidUTF8(form[name][0], "\uFFFD"))
	}
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

// contents are what a hook says: its files, of an upload else the one at a URL or in base64, and of others the text beside the first.
func (h *hook) contents(upload bool) (list []message.Content) {
	for _, file := range h.files {
		if len(file.Data) > 0 {
			list = append(list, message.Content{Media: h.describe(file)})
		}
	}
	if upload && len(list) == 0 {
		text := h.get("file")
		if u, err := url.Parse(text); err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") {
			list = append(list, message.Content{Media: h.describe(message.Media{URL: text})})
		} else if data, err := base64.StdEncoding.DecodeString(text); err == nil && len(data) > 0 {
			list = append(list, message.Content{Media: h.describe(message.Media{Data: data})})
		}
	}
	if text := h.get("message"); !upload && text != "" {
		if len(list) == 0 {
			list = make([]message.Content, 1)
		}
		list[0].Text = text
	}
	return list
}

// describe fills in a file's name, media type and kind.
func (h *hook) describe(m message.Media) *message.Media {
	m.Name = cmp.Or(m.Name, h.get("file_name"))
	if m.MIME == "" || m.MIME == "application/octet-stream" {
		m.MIME = cmp.Or(mime.TypeByExtension(path.Ext(cmp.Or(m.Name, m.URL))), m.MIME)
	}
	m.Type, _, _ = strings.Cut(m.MIME, "/")
	if m.Type != "image" && m.Type != "video" && m.Type != "audio" {
		m.Type = "document"
	}
	return &m
}
