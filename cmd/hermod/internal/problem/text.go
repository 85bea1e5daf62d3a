package problem

import (
	"strings"
	"unicode"
)

// Plain removes what a vendor's text must not do to a terminal: control characters other than line feeds and tabs.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, s)
}

// Nearest returns the known word that word was probably meant to be, and "" when none is near: at most one edit for every
// three characters.
func Nearest(word string, known []string) string {
	if len(word) > 64 {
		return ""
	}
	best, bound := "", len(word)/3+1
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d <= bound && (best == "" || d < bound) {
			best, bound = k, d
		}
	}
	return best
}

// DidYouMean returns advice that names the nearest known word, or lists the known words when none is near.
func DidYouMean(word string, known []string) string {
	if near := Nearest(word, known); near != "" {
		return `did you mean "` + near + `"?`
	}
	if len(known) == 0 {
		return ""
	}
	return "known are: " + strings.Join(known, ", ")
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
