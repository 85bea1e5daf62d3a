package address

// Reading a number costs tens of microseconds, and a campaign's numbers are all different. What is wanted of a number that is already in
// E.164 (its country, and that its length is possible) depends on its length and its first digits only, so it is
// remembered for that class of numbers.

// class is the length of an E.164 number and its first digits.
type class struct {
	prefix uint32
	length uint8
}

// verdict is what holds for every number of a class.
type verdict struct {
	stable  bool   // the number is possible, and reading does not change it
	country string // ISO 3166-1 alpha-2
}

// known answers for a number that is already in E.164; ok is false when it has to be read.
func (n *Normalizer) known(s string) (country string, ok bool) {
	c, ok := classOf(s)
	if !ok {
		return "", false
	}
	v, seen := n.classes.Get(c)
	if !seen {
		v = judge(s)
		n.classes.Add(c, v)
	}
	return v.country, v.stable
}

const (
	minE164 = len("+1234567")
	maxE164 = len("+123456789012345")
)

// classOf returns the class of a number in E.164; ok is false for everything else.
func classOf(s string) (c class, ok bool) {
	if len(s) < minE164 || len(s) > maxE164 || s[0] != '+' || s[1] == '0' {
		return class{}, false
	}
	digits := prefixDigits(s)
	for i := 1; i < len(s); i++ {
		d := s[i] - '0'
		if d > 9 {
			return class{}, false
		}
		if i <= digits {
			c.prefix = c.prefix*10 + uint32(d)
		}
	}
	c.length = uint8(len(s))
	return c, true
}

// prefixDigits says how many of a number's first digits decide. Where several countries share a calling code, or numbers are
// rewritten when they are read (52, 54, 55), it takes more of them. The tests compare this with whole readings.
func prefixDigits(s string) int {
	switch s[1:3] {
	case "44", "39", "47", "61", "52", "54", "55":
		return 8
	}
	switch s[1:4] {
	case "212", "262", "290", "358", "590", "599":
		return 8
	}
	return 6
}

// judge reads one number of a class.
func judge(s string) verdict {
	e164, country, err := finish(international(s))
	return verdict{stable: err == nil && e164 == s, country: country}
}
