package message

import (
	"net/url"
	"strings"
)

func (c *checker) content(path string, t *Content) {
	c.textIn(path, "text", t.Text, MaxText)
	c.textIn(path, "subject", t.Subject, MaxShortText)
	kinds := 0
	for _, set := range [...]bool{t.Template != nil, t.Media != nil, t.Interactive != nil} {
		if set {
			kinds++
		}
	}
	if kinds > 1 {
		c.fail(CodeContentConflict, path, "has two of template, media and interactive; keep one")
	}
	if t.Template != nil {
		c.template(c.paths.Field(path, "template"), t.Template)
	}
	if t.Media != nil {
		c.media(c.paths.Field(path, "media"), t.Media)
	}
	if t.Interactive != nil {
		c.interactive(c.paths.Field(path, "interactive"), t.Interactive)
	}
}

func (c *checker) template(path string, t *Template) {
	c.requireIn(path, "name", t.Name)
	c.textIn(path, "name", t.Name, maxName)
	c.textIn(path, "language", t.Language, maxName)
	if c.count(c.paths.Field(path, "params"), len(t.Params), maxItems) {
		for i, p := range t.Params {
			c.text(c.paths.At(path, "params", i), p, MaxShortText)
		}
	}
	c.data(c.paths.Field(path, "named"), t.Named)
	if t.Header != nil {
		c.media(c.paths.Field(path, "header"), t.Header)
	}
}

func (c *checker) media(path string, m *Media) {
	c.requireIn(path, "type", m.Type)
	c.word(c.paths.Field(path, "type"), m.Type, "image", "video", "audio", "document")
	c.textIn(path, "name", m.Name, maxName)
	c.textIn(path, "mime", m.MIME, maxName)
	switch {
	case m.URL == "" && len(m.Data) == 0:
		c.fail(CodeMediaSource, path, "needs a url or data")
	case m.URL != "" && len(m.Data) > 0:
		c.fail(CodeMediaSource, path, "has both a url and data; keep one")
	case len(m.Data) > MaxMediaData:
		c.fail(CodeTooLong, c.paths.Field(path, "data"), "has more than 512 KiB; give the file by url")
	case m.URL != "":
		c.url(c.paths.Field(path, "url"), m.URL)
	}
}

func (c *checker) url(path, s string) {
	c.text(path, s, MaxURL)
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || !strings.EqualFold(u.Scheme, "https") && !strings.EqualFold(u.Scheme, "http") {
		c.fail(CodeURLInvalid, path, "must be an absolute http or https URL")
	}
}

func (c *checker) interactive(path string, v *Interactive) {
	if len(v.Buttons) == 0 && len(v.Sections) == 0 {
		c.fail(CodeRequired, path, "needs buttons or sections")
	}
	c.textIn(path, "header", v.Header, MaxShortText)
	c.textIn(path, "footer", v.Footer, MaxShortText)
	c.textIn(path, "menu", v.Menu, MaxShortText)
	if !c.count(c.paths.Field(path, "buttons"), len(v.Buttons), maxItems) || !c.count(c.paths.Field(path, "sections"), len(v.Sections), maxItems) {
		return
	}
	for i := range v.Buttons {
		b, p := &v.Buttons[i], c.paths.At(path, "buttons", i)
		c.word(c.paths.Field(p, "type"), b.Type, "reply", "url", "phone", "location")
		c.requireIn(p, "text", b.Text)
		c.textIn(p, "text", b.Text, MaxShortText)
		c.textIn(p, "payload", b.Payload, MaxShortText)
		c.textIn(p, "color", b.Color, maxName)
	}
	for i := range v.Sections {
		c.section(c.paths.At(path, "sections", i), &v.Sections[i])
	}
}

func (c *checker) section(path string, s *Section) {
	c.textIn(path, "title", s.Title, MaxShortText)
	if len(s.Rows) == 0 {
		c.fail(CodeRequired, c.paths.Field(path, "rows"), "needs at least one row")
	}
	if !c.count(c.paths.Field(path, "rows"), len(s.Rows), maxItems) {
		return
	}
	for i := range s.Rows {
		r, p := &s.Rows[i], c.paths.At(path, "rows", i)
		c.requireIn(p, "id", r.ID)
		c.requireIn(p, "title", r.Title)
		c.textIn(p, "id", r.ID, MaxShortText)
		c.textIn(p, "title", r.Title, MaxShortText)
		c.textIn(p, "description", r.Description, MaxShortText)
	}
}
