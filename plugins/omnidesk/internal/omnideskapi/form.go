package omnideskapi

import (
	"bytes"
	"mime/multipart"
	"strings"
)

// escaped is how mime/multipart writes the names of fields.
var escaped = strings.NewReplacer("\\", "\\\\", `"`, "\\\"", "\r", "%0D", "\n", "%0A")

// multipartForm writes the form and the file, if there is one, as mime/multipart does, and returns the media type. It writes the
// fields itself, since a header for each costs several times what the field does. The buffer is not used again: net/http may read it
// after the call.
func multipartForm(r *request) ([]byte, string) {
	var b bytes.Buffer // writing to it does not fail
	w := multipart.NewWriter(&b)
	head := "--" + w.Boundary() + "\r\nContent-Disposition: form-data; name=\""
	size := len(head) + len("\r\n\r\n----\r\n") // of the end
	for _, p := range r.form {
		size += len(head) + len(p.name) + len(p.text) + len("\"\r\n\r\n\r\n")
	}
	b.Grow(size)
	for _, p := range r.form {
		if b.Len() > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(head)
		b.WriteString(escaped.Replace(p.name))
		b.WriteString("\"\r\n\r\n")
		b.WriteString(p.text)
	}
	if r.file != nil {
		if b.Len() > 0 {
			b.WriteString("\r\n")
		}
		part, _ := w.CreateFormFile("file", r.title)
		_, _ = part.Write(r.file)
	}
	_ = w.Close()
	return b.Bytes(), w.FormDataContentType()
}
