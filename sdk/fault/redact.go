package fault

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxRedactIn  = 4096 // bytes looked at
	maxRedactOut = 512  // bytes that come back
	phoneDigits  = 7    // digits that may be a phone number; vendors' codes are shorter
	tokenLength  = 32   // characters that may be a token
	maxBetween   = 3    // separators inside a phone number, as in "+44 (0) 7700"
)

var (
	email    = regexp.MustCompile(`[^\s@<>"']+@[^\s@<>"']+\.[^\s@<>"']+`)
	userinfo = regexp.MustCompile(`://[^\s/@"']+@`)
	token    = regexp.MustCompile(`[0-9A-Za-z_-]{32,}`)
	query    = regexp.MustCompile(`(https?://[^\s?"']+)\?[^\s"']*`)
)

// Redact removes what must not reach logs and errors: runs of seven or more digits (phone numbers, however they are grouped),
// e-mail addresses, tokens of 32 characters or more, the query part and the user of URLs. Times and UUIDs may be hit as
// well. At most 512 bytes of valid UTF-8 come back. A text with nothing to remove comes back as it is, with no allocation.
func Redact(s string) string {
	s = cut(s)
	found := look(s)
	if found.question && strings.Contains(s, "://") {
		s = query.ReplaceAllString(s, "$1?[redacted]")
	}
	if found.at {
		s = userinfo.ReplaceAllString(s, "://[redacted]@")
		s = email.ReplaceAllString(s, "[email]")
	}
	if found.token {
		s = token.ReplaceAllString(s, "[token]")
	}
	if found.digits {
		s = redactDigits(s)
	}
	return clip(s, maxRedactOut)
}

// cut bounds the input at a space, so that no half of a number is taken for a short one.
func cut(s string) string {
	if len(s) > maxRedactIn {
		s = clip(s, maxRedactIn)
		if i := strings.LastIndexAny(s, " \n\t"); i >= 0 {
			s = s[:i]
		}
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return s
}

// clip shortens s to at most n bytes without breaking a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// suspects says which of the replacements may find something.
type suspects struct {
	question, at, token, digits bool
}

// look reads s once, so that the common text costs no regular expression.
func look(s string) suspects {
	var f suspects
	digits, run := 0, 0
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf:
			f.digits = true // digits of other scripts: the exact pass decides
			run = 0
		case c >= '0' && c <= '9':
			digits++
			run++
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c == '-':
			run++
		default:
			run = 0
			f.question = f.question || c == '?'
			f.at = f.at || c == '@'
		}
		f.token = f.token || run >= tokenLength
	}
	f.digits = f.digits || digits >= phoneDigits
	return f
}

// redactDigits replaces groups of digits that have seven or more together, with at most three separators between two digits.
func redactDigits(s string) string {
	var b strings.Builder
	done := 0 // all before is written
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if !unicode.IsDigit(r) {
			i += size
			continue
		}
		end, count := digitGroup(s, i)
		if count >= phoneDigits {
			b.WriteString(strings.TrimSuffix(s[done:i], "+"))
			b.WriteString("[number]")
			done = end
		}
		i = end
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}

// digitGroup returns where the group of digits that begins at i ends, and how many digits it has.
func digitGroup(s string, i int) (end, count int) {
	between := 0
	end = i
	for i < len(s) && between <= maxBetween {
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		switch {
		case unicode.IsDigit(r):
			count++
			between = 0
			end = i
		case separates(r):
			between++
		default:
			return end, count
		}
	}
	return end, count
}

// separates reports whether r may stand inside a written phone number.
func separates(r rune) bool {
	switch r {
	case '(', ')', '.', '/', '\u200b', '\u2060':
		return true
	}
	return unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || unicode.Is(unicode.Cf, r)
}
