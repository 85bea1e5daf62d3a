package eval

import (
	"fmt"
	"strings"
)

// replace and join stand in for the library's own, which can make texts without bound.

func replace(args ...any) (any, error) {
	s, ok1 := args[0].(string)
	from, ok2 := args[1].(string)
	to, ok3 := args[2].(string)
	if !ok1 || !ok2 || !ok3 {
		return nil, fmt.Errorf("replace takes three texts")
	}
	if n := len(s) + strings.Count(s, from)*(len(to)-len(from)); n > MaxRendered {
		return nil, fmt.Errorf("the text grows beyond %d bytes", MaxRendered)
	}
	return strings.ReplaceAll(s, from, to), nil
}

func join(args ...any) (any, error) {
	separator := ""
	if len(args) == 2 {
		s, ok := args[1].(string)
		if !ok {
			return nil, fmt.Errorf("the separator of join is a text")
		}
		separator = s
	}
	var b strings.Builder
	add := func(i int, s string) error {
		if i > 0 {
			b.WriteString(separator)
		}
		if b.WriteString(s); b.Len() > MaxRendered {
			return fmt.Errorf("the text grows beyond %d bytes", MaxRendered)
		}
		return nil
	}
	switch list := args[0].(type) {
	case []string:
		for i, s := range list {
			if err := add(i, s); err != nil {
				return nil, err
			}
		}
	case []any:
		for i, v := range list {
			s, ok := v.(string)
			if !ok {
				return nil, fmt.Errorf("join takes a list of texts")
			}
			if err := add(i, s); err != nil {
				return nil, err
			}
		}
	default:
		return nil, fmt.Errorf("join takes a list of texts")
	}
	return b.String(), nil
}
