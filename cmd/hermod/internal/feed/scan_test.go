package feed

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

func scanAll(t *testing.T, in []byte) (lines []string, long []int) {
	t.Helper()
	s := newScanner(bytes.NewReader(in))
	for {
		data, err := s.next()
		switch {
		case errors.Is(err, io.EOF):
			return lines, long
		case errors.Is(err, errTooLong):
			long = append(long, s.line)
			data = nil
		case err != nil:
			t.Fatal(err)
		}
		lines = append(lines, string(data))
	}
}

func TestScannerSkipsWhatIsTooLong(t *testing.T) {
	fits := strings.Repeat("x", MaxLine)
	in := "a\n" + fits + "\n" + fits + "x\nb\n" + strings.Repeat("y", 3*MaxLine)
	lines, long := scanAll(t, []byte(in))
	if len(lines) != 5 || lines[1] != fits || lines[3] != "b" {
		t.Errorf("%d lines", len(lines))
	}
	if !slices.Equal(long, []int{3, 5}) {
		t.Errorf("too long: %v, want lines 3 and 5", long)
	}
}

func FuzzScanner(f *testing.F) {
	f.Add([]byte("a\nb\r\n\n c"), uint8(3))
	f.Add([]byte("\xef\xbb\xbfa\n"), uint8(0))
	f.Fuzz(func(t *testing.T, in []byte, stretch uint8) {
		in = bytes.ReplaceAll(in, []byte("L"), bytes.Repeat([]byte("l"), int(stretch)*1000)) // lines over the buffer's size
		var want []string
		rest := bytes.TrimPrefix(in, []byte("\xef\xbb\xbf"))
		for part := range bytes.Lines(rest) {
			want = append(want, string(bytes.TrimSpace(part)))
		}
		if len(in) > 0 && len(rest) == 0 {
			want = []string{""}
		}
		got, _ := scanAll(t, in)
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] && len(want[i]) <= MaxLine {
				t.Fatalf("line %d is %q, want %q", i+1, got[i], want[i])
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%d lines, want %d", len(got), len(want))
		}
	})
}
