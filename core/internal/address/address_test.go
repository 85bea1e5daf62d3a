package address

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nyaruka/phonenumbers"

	"github.com/hermodhq/hermod/sdk/message"
)

func normalizer(t testing.TB, region string) *Normalizer {
	t.Helper()
	n, err := New(region)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func codeOf(err error) string {
	if e, ok := errors.AsType[*message.Error](err); ok {
		return e.Code
	}
	return ""
}

func TestPhone(t *testing.T) {
	tests := []struct {
		region, in, want, country, code string
	}{
		{"", "+447700900123", "+447700900123", "GB", ""},
		{"", "+44 7700 900123", "+447700900123", "GB", ""},
		{"", "+44 (0) 7700-900.123", "+447700900123", "GB", ""},
		{"", "+4407700900123", "+447700900123", "GB", ""},
		{"", "00447700900123", "+447700900123", "GB", ""},
		{"", "447700900123", "+447700900123", "GB", ""},
		{"", "\u202a+44\u00a07700\u00a0900123\u202c", "+447700900123", "GB", ""},
		{"", "＋44 7700 900123", "+447700900123", "GB", ""},
		{"", "+٤٤٧٧٠٠٩٠٠١٢٣", "+447700900123", "GB", ""},
		{"", "+1 212 555 0123", "+12125550123", "US", ""},
		{"", "12125550123", "+12125550123", "US", ""},
		{"", "+14165550123", "+14165550123", "CA", ""},
		{"", "+18765550123", "+18765550123", "JM", ""},
		{"GB", "07700 900123", "+447700900123", "GB", ""},
		{"GB", "7700900123", "+447700900123", "GB", ""},
		{"GB", "447700900123", "+447700900123", "GB", ""},
		{"GB", "00447700900123", "+447700900123", "GB", ""},
		{"GB", "0012125550123", "+12125550123", "US", ""},
		{"GB", "+12125550123", "+12125550123", "US", ""},
		{"US", "(212) 555-0123", "+12125550123", "US", ""},
		{"US", "011447700900123", "+447700900123", "GB", ""},
		{"US", "00447700900123", "+447700900123", "GB", ""},

		{"", "07700 900123", "", "", CodePhoneRegionNeeded},
		{"", "2125550123", "", "", CodePhoneRegionNeeded},
		{"", "3125550123", "", "", CodePhoneRegionNeeded}, // would be possible as +31...
		{"", "5550123", "", "", CodePhoneRegionNeeded},
		{"", "+44770", "", "", CodePhoneTooShort},
		{"", "+1 212 555 012", "", "", CodePhoneTooShort},
		{"", "+1 555 0123", "", "", CodePhoneTooShort},
		{"", "+4477009001234", "", "", CodePhoneTooLong},
		{"", "+44770090012345678901234", "", "", CodePhoneTooLong},
		{"", "+81100000000000000", "", "", CodePhoneTooLong}, // Japan has numbers of 15 digits without the 81
		{"", "+9991234567", "", "", CodePhoneCountryUnknown},
		{"", "+0447700900123", "", "", CodePhoneCountryUnknown},
		{"", "+", "", "", CodePhoneTooShort},
		{"", " ", "", "", CodePhoneTooShort},
		{"", "+44 7700 9OO123", "", "", CodePhoneInvalid},
		{"", "+44+7700900123", "", "", CodePhoneInvalid},
		{"", "tel:+447700900123", "", "", CodePhoneInvalid},
		{"", "+447700900123;ext=5", "", "", CodePhoneInvalid},
		{"", "+44\xff7700900123", "", "", CodePhoneInvalid},
		{"", strings.Repeat(" ", 65) + "+447700900123", "", "", CodePhoneTooLong},
		{"GB", "0770", "", "", CodePhoneTooShort},
		{"GB", "00999123456789", "", "", CodePhoneCountryUnknown},
	}
	for _, tt := range tests {
		t.Run(tt.region+" "+tt.in, func(t *testing.T) {
			n := normalizer(t, tt.region)
			for range 2 { // the second time from memory
				got, country, err := n.Phone(tt.in)
				if codeOf(err) != tt.code || (err != nil) != (tt.code != "") {
					t.Fatalf("error %v, want %q", err, tt.code)
				}
				if err == nil && (got != tt.want || country != tt.country) {
					t.Errorf("got %s %s, want %s %s", got, country, tt.want, tt.country)
				}
			}
		})
	}
}

// Countries that share a calling code are told apart; satellite phones have none. The numbers are the metadata's own examples.
func TestSharedCallingCodes(t *testing.T) {
	n := normalizer(t, "")
	for _, region := range []string{"GB", "JE", "GG", "IM", "RU", "KZ", "IT", "VA", "US", "CA", "BS", "PR", "NO", "SJ", "RE", "YT", "MA", "AX"} {
		in := phonenumbers.Format(phonenumbers.GetExampleNumber(region), phonenumbers.E164)
		if got, country, err := n.Phone(in); got != in || country != region || err != nil {
			t.Errorf("%s: got %s %s, %v", region, got, country, err)
		}
	}
	satellite := phonenumbers.Format(phonenumbers.GetExampleNumberForNonGeoEntity(870), phonenumbers.E164)
	if got, country, err := n.Phone(satellite); got != satellite || country != "" || err != nil {
		t.Errorf("satellite: got %s %q, %v", got, country, err)
	}
}

func TestErrorsShowNoNumber(t *testing.T) {
	for _, in := range []string{"+4477009001234", "07700900123", "+9991234567", "x7700900123", "+44770"} {
		_, _, err := normalizer(t, "").Phone(in)
		e, ok := errors.AsType[*message.Error](err)
		if !ok || e.Path != "to.phone" || strings.ContainsAny(e.Error(), "0123456789") {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestNewRefusesUnknownRegion(t *testing.T) {
	if _, err := New("XX"); codeOf(err) != CodeRegionUnknown {
		t.Errorf("got %v", err)
	}
}

func TestRecipient(t *testing.T) {
	n := normalizer(t, "")
	users := map[message.AccountID]message.VendorUserID{"convrs-uk": "u1"}
	got, err := n.Recipient(message.Recipient{Phone: "+1 (212) 555-0123", Country: "GB", Email: " Ada@Example.COM", Users: users, Name: "Ada"})
	if err != nil {
		t.Fatal(err)
	}
	want := message.Recipient{Phone: "+12125550123", Country: "US", Email: "Ada@example.com", Users: users, Name: "Ada"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, _ := n.Recipient(message.Recipient{Users: users, Country: "gb"}); got.Country != "GB" {
		t.Errorf("country %q", got.Country)
	}
	if _, err := n.Recipient(message.Recipient{Phone: "x"}); codeOf(err) != CodePhoneInvalid {
		t.Errorf("got %v", err)
	}
	if _, err := n.Recipient(message.Recipient{Email: "x"}); codeOf(err) != CodeEmailInvalid {
		t.Errorf("got %v", err)
	}
}

func TestEmail(t *testing.T) {
	for in, want := range map[string]string{
		"ada@example.com":               "ada@example.com",
		"Ada.L+tag@EXAMPLE.Com":         "Ada.L+tag@example.com",
		"ada@localhost":                 "ada@localhost",
		"Ada <ada@example.com>":         "",
		"<ada@example.com>":             "",
		"ada@example.com (work)":        "",
		"ada@example.com, b@c.d":        "",
		"ada@[192.0.2.1]":               "",
		`"a b"@example.com`:             "",
		"ada":                           "",
		"@example.com":                  "",
		"ada@":                          "",
		"a@b@example.com":               "",
		"ada@exa mple.com":              "",
		"ada\r\nBcc: b@example.com":     "",
		strings.Repeat("a", 65) + "@b":  "",
		"a@" + strings.Repeat("b", 260): "",
	} {
		got, err := Email(in)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
		}
		if err != nil && codeOf(err) != CodeEmailInvalid {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// Two numbers of one class get the same verdict: neighbours of real examples of every country, random beyond the first digits.
func TestClassesDecide(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for region := range phonenumbers.GetSupportedRegions() {
		example := phonenumbers.GetExampleNumberForType(region, phonenumbers.MOBILE)
		if example == nil {
			example = phonenumbers.GetExampleNumber(region)
		}
		a := []byte(phonenumbers.Format(example, phonenumbers.E164))
		for range 6 {
			c, ok := classOf(string(a))
			if !ok {
				break
			}
			b := append([]byte(nil), a...)
			for i := prefixDigits(string(a)) + 1; i < len(b); i++ {
				b[i] = byte('0' + random.IntN(10))
			}
			if d, _ := classOf(string(b)); d != c {
				t.Fatalf("%s and %s are not of one class", a, b)
			}
			if x, y := judge(string(a)), judge(string(b)); x != y {
				t.Errorf("%s: %s is %+v, %s is %+v", region, a, x, b, y)
			}
			a[3+random.IntN(len(a)-3)] = byte('0' + random.IntN(10))
		}
	}
}

// Whatever comes in: no panic, an error with a code, or a number in E.164 and a country.
func FuzzPhone(f *testing.F) {
	for _, s := range []string{"+447700900123", "0044 7700 900123", "07700900123", "(212) 555-0123", "+", "00", "+1٢", "++1", "000000000"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	none, gb := normalizer(f, ""), normalizer(f, "GB")
	f.Fuzz(func(t *testing.T, in string, region bool) {
		n := none
		if region {
			n = gb
		}
		got, country, err := n.Phone(in)
		if err != nil {
			if codeOf(err) == "" {
				t.Fatalf("%q: an error without a code: %v", in, err)
			}
			return
		}
		if len(got) < 5 || len(got) > 16 || got[0] != '+' || strings.Trim(got[1:], "0123456789") != "" || len(country) != 2 && country != "" {
			t.Fatalf("%q: got %q %q", in, got, country)
		}
	})
}

func FuzzEmail(f *testing.F) {
	f.Add("ada@example.com")
	f.Add("Ada <ada@EXAMPLE.com>")
	f.Add("\"a@b\"@c")
	f.Fuzz(func(t *testing.T, in string) {
		got, err := Email(in)
		if err != nil {
			return
		}
		if again, err := Email(got); err != nil || again != got || strings.ContainsAny(got, "\r\n<> ") {
			t.Fatalf("%q: got %q, then %q, %v", in, got, again, err)
		}
	})
}

func BenchmarkPhone(b *testing.B) {
	b.Run("known", func(b *testing.B) {
		n := normalizer(b, "")
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := n.Phone("+447700900123"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("distinct", func(b *testing.B) {
		n := normalizer(b, "")
		numbers := make([]string, 1000)
		for i := range numbers {
			numbers[i] = "+447700900" + string([]byte{byte('0' + i/100), byte('0' + i/10%10), byte('0' + i%10)})
		}
		i := 0
		for b.Loop() {
			n.Phone(numbers[i%1000])
			i++
		}
	})
	b.Run("written", func(b *testing.B) {
		n := normalizer(b, "")
		for b.Loop() {
			if _, _, err := n.Phone("+44 7700 900123"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
