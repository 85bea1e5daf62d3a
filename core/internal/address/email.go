package address

import (
	"net/mail"
	"strings"
)

// Bounds of an e-mail address (RFC 5321, section 4.5.3.1), in bytes.
const (
	maxEmail = 254
	maxLocal = 64
)

// Email returns an addr-spec (local@domain) with its domain in lower case. The local part keeps its case: it belongs to the
// receiving server. Display names, comments, quoted local parts and address literals are refused.
func Email(s string) (string, error) {
	s = strings.TrimSpace(s)
	if len(s) > maxEmail {
		return "", failEmail()
	}
	parsed, err := mail.ParseAddress(s)
	if err != nil || parsed.Name != "" || parsed.Address != s {
		return "", failEmail()
	}
	local, domain, ok := strings.Cut(s, "@")
	if !ok || len(local) > maxLocal || strings.ContainsAny(domain, "@[]_") {
		return "", failEmail()
	}
	return local + "@" + strings.ToLower(domain), nil
}

func failEmail() error {
	return newError(CodeEmailInvalid, "to.email", `must be a plain e-mail address such as "ada@example.com", without a name or brackets`)
}
