// Command transform is a transform, mask-cards: it hides payment card numbers in texts and template parameters before a vendor sees
// them, and refuses a message whose media would carry one in its name.
package main

import "github.com/hermodhq/hermod/sdk/transform"

func init() { transform.Register(maskCards) }

func main() {}

// maskCards hides all but the last four digits of each card number.
func maskCards(m *transform.Message) error {
	if masked, found := mask(m.Text()); found {
		m.SetText(masked)
	}
	for i, p := range m.Params() {
		if masked, found := mask(p); found {
			m.SetParam(i, masked)
		}
	}
	if name, ok := m.Get("content.media.name"); ok {
		if _, found := mask(name); found {
			return transform.Reject(transform.ContentRejected, "card_in_file_name", "a file's name holds a card number: rename the file")
		}
	}
	return nil
}

// mask hides the runs of 13 to 19 digits, with single spaces or dashes between them, that pass the Luhn check.
func mask(s string) (string, bool) {
	var out []byte
	for i := 0; i < len(s); {
		end, digits := run(s[i:])
		if digits >= 13 && digits <= 19 && luhn(s[i:i+end]) {
			if out == nil {
				out = []byte(s)
			}
			hide(out[i:i+end], digits-4)
		}
		i += max(end, 1)
	}
	if out == nil {
		return s, false
	}
	return string(out), true
}

// run returns the length of the run of digits that s begins with, and how many digits it has.
func run(s string) (end, digits int) {
	for i := 0; i < len(s); i++ {
		switch {
		case isDigit(s[i]):
			end, digits = i+1, digits+1
		case (s[i] != ' ' && s[i] != '-') || end != i || i == 0: // one separator at a time
			return end, digits
		}
	}
	return end, digits
}

// luhn reports whether the digits of s have a valid check digit (ISO/IEC 7812).
func luhn(s string) bool {
	sum, double := 0, false
	for i := len(s) - 1; i >= 0; i-- {
		if !isDigit(s[i]) {
			continue
		}
		d := int(s[i] - '0')
		if double {
			d *= 2
		}
		sum += d/10 + d%10
		double = !double
	}
	return sum%10 == 0
}

// hide overwrites the first n digits of b.
func hide(b []byte, n int) {
	for i := 0; n > 0; i++ {
		if isDigit(b[i]) {
			b[i] = '*'
			n--
		}
	}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
