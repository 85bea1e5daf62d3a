// Package address brings recipients' addresses into one form at the engine's edge: phone numbers into E.164 with their
// country, e-mail addresses into an addr-spec with a lower-case domain.
//
// A phone number is checked for being possible (a known country and a length that the country has), not for being
// assigned: numbering plans change faster than metadata, and the ranges reserved for fiction are never assigned.
package address

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/nyaruka/phonenumbers"

	"github.com/hermodhq/hermod/sdk/message"
)

// The codes of the errors, which are of type [*message.Error] and never show the address.
const (
	CodePhoneInvalid        = "phone_invalid"         // characters that no phone number has
	CodePhoneTooShort       = "phone_too_short"       // too few digits for its country
	CodePhoneTooLong        = "phone_too_long"        // too many digits for its country
	CodePhoneCountryUnknown = "phone_country_unknown" // no country has this calling code
	CodePhoneRegionNeeded   = "phone_region_needed"   // a national number, and no default region is set
	CodeEmailInvalid        = "email_invalid"         // not an addr-spec
	CodeRegionUnknown       = "region_unknown"        // New: no such default region
)

const (
	maxInput   = 64      // bytes of a phone number as written
	mostE164   = 15      // digits of an international number: ITU-T E.164, section 6.1
	maxDigits  = 20      // digits of a phone number as written, prefixes included
	maxClasses = 1 << 17 // number classes remembered: about 10 MB when full
	bareDigits = 11      // a number without + that is not assigned must have so many digits to be taken as international
)

// Normalizer brings addresses into one form. It is safe for use by several goroutines.
type Normalizer struct {
	region  string
	classes *lru.Cache[class, verdict]
}

// New returns a normalizer. region is the ISO 3166-1 alpha-2 country that national numbers belong to, such as "GB"; with ""
// only international numbers are accepted.
func New(region string) (*Normalizer, error) {
	region = strings.ToUpper(region)
	if region != "" && !phonenumbers.GetSupportedRegions()[region] {
		return nil, newError(CodeRegionUnknown, "default_region", `is not a known country: use an ISO 3166-1 code such as "GB"`)
	}
	classes, err := lru.New[class, verdict](maxClasses)
	if err != nil {
		return nil, fmt.Errorf("making the cache of number classes: %w", err)
	}
	return &Normalizer{region: region, classes: classes}, nil
}

// Message checks a message as a host gives it, and brings its recipient and data into the form that the engine keeps. Errors are of
// type *[message.Error].
func (n *Normalizer) Message(m *message.Message) error {
	if m.ID != "" {
		return &message.Error{Code: "id_set", Path: "id", Text: "the id is set by the engine; use `key` for your own identifier"}
	}
	if err := m.Validate(); err != nil {
		return err
	}
	to, err := n.Recipient(m.To)
	if err != nil {
		return err
	}
	m.To, m.Data = to, message.NormalizeData(m.Data)
	return nil
}

// Recipient returns r with its phone number, country and e-mail address normalised. The country follows the phone number where
// there is one, and is empty for numbers that belong to no country, such as satellite phones. The map of users is shared with r.
func (n *Normalizer) Recipient(r message.Recipient) (message.Recipient, error) {
	if r.Phone != "" {
		phone, country, err := n.Phone(r.Phone)
		if err != nil {
			return message.Recipient{}, err
		}
		r.Phone, r.Country = phone, country
	} else {
		r.Country = strings.ToUpper(r.Country)
	}
	if r.Email != "" {
		email, err := Email(r.Email)
		if err != nil {
			return message.Recipient{}, err
		}
		r.Email = email
	}
	return r, nil
}

// Phone returns the number in E.164 and its country. It takes international numbers with "+", with "00", and without
// either where they are assigned or have at least eleven digits, and national numbers when there is a default region. Spaces,
// hyphens, dots, slashes, brackets and digits of other scripts are understood. A number already in E.164 takes a fast path.
func (n *Normalizer) Phone(s string) (e164, country string, err error) {
	if country, ok := n.known(s); ok {
		return s, country, nil
	}
	digits, err := clean(s)
	if err != nil {
		return "", "", err
	}
	if country, ok := n.known(digits); ok {
		return digits, country, nil
	}
	return n.parse(digits)
}

// clean reduces a written number to its digits, with a leading "+" where it has one.
func clean(s string) (string, error) {
	if len(s) > maxInput {
		return "", fail(CodePhoneTooLong)
	}
	out := make([]byte, 0, maxDigits+1)
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			out = append(out, byte(r))
		case (r == '+' || r == '＋') && len(out) == 0:
			out = append(out, '+')
		case unicode.IsDigit(r):
			out = append(out, digitOf(r))
		case !ignorable(r):
			return "", fail(CodePhoneInvalid)
		}
	}
	switch {
	case len(out) > maxDigits:
		return "", fail(CodePhoneTooLong)
	case len(out) < 4:
		return "", fail(CodePhoneTooShort)
	}
	return string(out), nil
}

// digitOf returns the ASCII digit of a decimal digit of any script: each script has its ten in a row, beginning
// with zero at the first digit after a character that is none.
func digitOf(r rune) byte {
	value := 0
	for unicode.IsDigit(r-1) && value < 9 {
		r--
		value++
	}
	return byte('0' + value)
}

// ignorable reports whether r only groups digits, or is an invisible mark that comes with copied text.
func ignorable(r rune) bool {
	switch r {
	case '(', ')', '.', '/', '-':
		return true
	case utf8.RuneError:
		return false
	}
	return unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || unicode.Is(unicode.Cf, r)
}

// parse tries the readings of a number in the order of their likelihood.
func (n *Normalizer) parse(digits string) (e164, country string, err error) {
	if digits[0] == '+' {
		return finish(international(digits))
	}
	if n.region == "" {
		return parseBare(digits)
	}
	national := read(digits, n.region)
	if national.assigned() {
		return finish(national)
	}
	abroad := international("+" + strings.TrimPrefix(digits, "00"))
	if abroad.assigned() || abroad.code == "" && (national.code != "" || strings.HasPrefix(digits, "00")) {
		return finish(abroad)
	}
	return finish(national)
}

// parseBare reads a number without "+" where no region is set.
func parseBare(digits string) (e164, country string, err error) {
	if rest, ok := strings.CutPrefix(digits, "00"); ok {
		return finish(international("+" + rest))
	}
	if digits[0] == '0' {
		return "", "", fail(CodePhoneRegionNeeded)
	}
	r := international("+" + digits)
	if r.assigned() || r.code == "" && len(digits) >= bareDigits {
		return finish(r)
	}
	return "", "", fail(CodePhoneRegionNeeded)
}

// reading is one way to understand a number.
type reading struct {
	number *phonenumbers.PhoneNumber
	code   string // why it is none; empty when it is possible
}

func (r reading) assigned() bool { return r.code == "" && phonenumbers.IsValidNumber(r.number) }

// international reads a number that begins with "+". A calling code never begins with zero.
func international(digits string) reading {
	if len(digits) < 2 || digits[1] == '0' {
		return reading{code: CodePhoneCountryUnknown}
	}
	return read(digits, "")
}

func read(digits, region string) reading {
	number, err := phonenumbers.Parse(digits, region)
	switch err {
	case nil:
	case phonenumbers.ErrInvalidCountryCode:
		return reading{code: CodePhoneCountryUnknown}
	case phonenumbers.ErrTooShortNSN, phonenumbers.ErrTooShortAfterIDD:
		return reading{code: CodePhoneTooShort}
	case phonenumbers.ErrNumTooLong:
		return reading{code: CodePhoneTooLong}
	default:
		return reading{code: CodePhoneInvalid}
	}
	return reading{number: number, code: possible(number)}
}

func possible(number *phonenumbers.PhoneNumber) string {
	switch phonenumbers.IsPossibleNumberWithReason(number) {
	case phonenumbers.IS_POSSIBLE:
		if len(phonenumbers.Format(number, phonenumbers.E164)) > 1+mostE164 { // some countries have longer ones, which cannot be called from abroad
			return CodePhoneTooLong
		}
		return ""
	case phonenumbers.TOO_SHORT, phonenumbers.IS_POSSIBLE_LOCAL_ONLY:
		return CodePhoneTooShort
	case phonenumbers.TOO_LONG:
		return CodePhoneTooLong
	case phonenumbers.INVALID_COUNTRY_CODE:
		return CodePhoneCountryUnknown
	}
	return CodePhoneTooShort // a length between two that exist
}

func finish(r reading) (e164, country string, err error) {
	if r.code != "" {
		return "", "", fail(r.code)
	}
	return phonenumbers.Format(r.number, phonenumbers.E164), countryOf(r.number), nil
}

// countryOf returns the number's country. Several countries share +1, +7, +44 and some others; a number that none of them
// has assigned belongs to the main one.
func countryOf(number *phonenumbers.PhoneNumber) string {
	region := phonenumbers.GetRegionCodeForNumber(number)
	if region == "" {
		region = phonenumbers.GetRegionCodeForCountryCode(int(number.GetCountryCode()))
	}
	if len(region) != 2 || region == "ZZ" {
		return "" // "001" stands for the whole world
	}
	return region
}

// fail returns the error of that code for a phone number.
func fail(code string) error {
	text := map[string]string{
		CodePhoneInvalid:        `has characters that no phone number has: write "+", the country's calling code and the number`,
		CodePhoneTooShort:       "has too few digits for its country: write the whole number with its calling code",
		CodePhoneTooLong:        "has too many digits for its country: check the calling code and the number",
		CodePhoneCountryUnknown: `has a calling code that no country uses: check the digits after "+"`,
		CodePhoneRegionNeeded:   `is a national number: write it with "+" and the calling code, or set the engine's default region`,
	}[code]
	return newError(code, "to.phone", text)
}

func newError(code, path, text string) error {
	return &message.Error{Code: code, Path: path, Text: `"` + path + `" ` + text}
}
