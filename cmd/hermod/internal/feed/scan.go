package feed

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/hermodhq/hermod/sdk/message"
)

// MaxLine is the length of the longest line that is read, in bytes without the line end.
const MaxLine = message.MaxJSON

var errTooLong = errors.New("the line is too long")

// scanner splits its input into lines and survives lines that are too long.
type scanner struct {
	r    *bufio.Reader
	line int // of the last line returned, 1-based
	long []byte
}

func newScanner(r io.Reader) *scanner { return &scanner{r: bufio.NewReaderSize(r, 64<<10)} }

// next returns the next line without surrounding white space; it is valid until the next call. A line over MaxLine is skipped
// whole and gives errTooLong. io.EOF comes after the last line.
func (s *scanner) next() ([]byte, error) {
	s.line++
	s.long = s.long[:0]
	tooLong := false
	for {
		part, err := s.r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			if tooLong = tooLong || len(s.long)+len(part) > MaxLine; !tooLong {
				s.long = append(s.long, part...)
			}
			continue
		}
		last := errors.Is(err, io.EOF)
		switch {
		case err != nil && !last:
			return nil, err
		case last && len(part) == 0 && len(s.long) == 0 && !tooLong:
			return nil, io.EOF
		}
		if len(s.long) > 0 {
			s.long = append(s.long, part...)
			part = s.long
		}
		part = s.trim(part)
		if tooLong || len(part) > MaxLine {
			return nil, errTooLong
		}
		return part, nil
	}
}

// trim drops white space, and the byte order mark that some editors put first.
func (s *scanner) trim(line []byte) []byte {
	if s.line == 1 {
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	return bytes.TrimSpace(line)
}
