package omnideskapi

import (
	"bytes"
	"mime"
	"mime/multipart"
	"testing"
)

// FuzzMultipartForm holds that a form is, byte for byte, what mime/multipart makes of it.
func FuzzMultipartForm(f *testing.F) {
	f.Add("message", "Hi", "fromAddress[name]", "Zoë\r\n--x", "a.pdf", []byte("bytes"), true)
	f.Add("a\"b\\c\r\nd\x00é%", "", "", "\r\n", "a\"b\\c\r\nd", []byte{}, true)
	f.Add("message", "Hi", "url", "https://chat.example/hooks", "", []byte(nil), false)
	f.Fuzz(func(t *testing.T, name, text, other, otherText, title string, file []byte, hasFile bool) {
		if !hasFile {
			file = nil
		}
		for _, form := range [][]pair{{}, {{name, text}}, {{name, text}, {other, otherText}, {name, text}}} {
			got, contentType := multipartForm(&request{form: form, file: file, title: title})
			media, params, err := mime.ParseMediaType(contentType)
			if err != nil || media != "multipart/form-data" {
				t.Fatal(contentType, err)
			}
			var want bytes.Buffer
			w := multipart.NewWriter(&want)
			check := func(err error) {
				if err != nil {
					t.Fatal(err)
				}
			}
			check(w.SetBoundary(params["boundary"]))
			for _, p := range form {
				check(w.WriteField(p.name, p.text))
			}
			if file != nil {
				part, err := w.CreateFormFile("file", title)
				check(err)
				_, err = part.Write(file)
				check(err)
			}
			check(w.Close())
			if !bytes.Equal(got, want.Bytes()) || contentType != w.FormDataContentType() {
				t.Fatalf("got\n%q\nwant\n%q", got, want.Bytes())
			}
		}
	})
}

// TestBoundaries holds that no two forms share a boundary, which a text could hold otherwise.
func TestBoundaries(t *testing.T) {
	r := &request{form: []pair{{"message", "Hi"}}}
	_, one := multipartForm(r)
	_, two := multipartForm(r)
	if one == two {
		t.Error("the boundary is always", one)
	}
}
