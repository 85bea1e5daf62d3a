package strict

import (
	"strconv"
	"strings"
)

const (
	maxPathName           = 64                             // bytes of a caller's own name that a path shows
	plainNameCharacters   = "_-abcdefghijklmnopqrstuvwxyz" // names of these and digits stand in a path without quotes
	plainNameCharactersUp = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
)

// About begins a text with the path that it is about.
func About(path, text string) string {
	if path == "" {
		return text
	}
	return `"` + path + `" ` + text
}

// Join puts a field's name behind a path.
func Join(path, name string) string {
	switch {
	case path == "":
		return name
	case name == "":
		return path
	}
	return path + "." + name
}

// Paths puts paths together when Redact is set, and costs nothing when it is not: checks run without paths first, and once
// more with them when there is a finding.
type Paths struct {
	Redact func(name string) string // removes what is personal from a name that the caller chose
}

// Name puts a name that the caller chose behind a path.
func (p Paths) Name(path, name string) string {
	if p.Redact == nil {
		return ""
	}
	return Join(path, Shown(name, p.Redact))
}

// Field puts the name of one of our own fields behind a path.
func (p Paths) Field(path, name string) string {
	if p.Redact == nil {
		return ""
	}
	return Join(path, name)
}

// At puts a field's name and an index behind a path.
func (p Paths) At(path, name string, i int) string {
	if p.Redact == nil {
		return ""
	}
	return Join(path, name) + "[" + strconv.Itoa(i) + "]"
}

// Shown makes a name that the caller chose fit for a path: it is cut, and what looks personal is removed.
func Shown(name string, redact func(string) string) string {
	if len(name) > maxPathName {
		name = name[:maxPathName] + "…"
	}
	name = redact(name)
	if strings.Trim(name, plainNameCharacters+plainNameCharactersUp) == "" {
		return name
	}
	q := strconv.Quote(name)
	return "[" + strings.ReplaceAll(q[1:len(q)-1], `\"`, "'") + "]"
}

// Nearest returns the candidate that is at most two edits from name (one for short names), or "".
func Nearest(name string, candidates []string) string {
	if len(name) > maxPathName {
		return ""
	}
	best, bound := "", 3
	if len(name) <= 3 {
		bound = 2
	}
	for _, c := range candidates {
		if strings.EqualFold(c, name) {
			return c
		}
		if d := distance(strings.ToLower(name), c); d < bound {
			best, bound = c, d
		}
	}
	return best
}

// distance is the number of single-byte edits between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
