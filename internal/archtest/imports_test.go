package archtest

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// pictureFile holds the level picture: the code block of ARCHITECTURE.md that begins with "```levels". Text and test
// cannot differ, since there is only one of them.
const pictureFile = "ARCHITECTURE.md"

// room is one entry of the level picture. A pattern names a directory with all below it, except what a longer pattern
// names, or one of the same length without a "*", which stands for one path element. "/..." may end it.
type room struct {
	pattern string
	level   int
}

// readPicture parses the level picture.
func readPicture(fsys fs.FS) ([]room, error) {
	text, err := fs.ReadFile(fsys, pictureFile)
	if err != nil {
		return nil, err
	}
	var rooms []room
	inside := false
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		line := lines.Text()
		if strings.HasPrefix(line, "```") {
			inside = !inside && line == "```levels"
			continue
		}
		fields := strings.Fields(line)
		if !inside || len(fields) == 0 {
			continue
		}
		level, err := strconv.Atoi(fields[0])
		if err != nil {
			return nil, fmt.Errorf("%s: a line of the level picture must begin with its level, not %q", pictureFile, fields[0])
		}
		for _, pattern := range fields[1:] {
			rooms = append(rooms, room{strings.TrimSuffix(pattern, "/..."), level})
		}
	}
	if len(rooms) == 0 {
		return nil, fmt.Errorf("%s has no code block ```levels: draw the level picture there", pictureFile)
	}
	return rooms, nil
}

// place finds the room of a directory: its root ("plugins/acme" for "plugins/*") and its level.
func place(rooms []room, dir string) (root string, level int, ok bool) {
	parts := strings.Split(dir, "/")
	best := 0
	for _, r := range rooms {
		n := strings.Count(r.pattern, "/") + 1
		if n > len(parts) {
			continue
		}
		rank := 2 * n
		if !strings.Contains(r.pattern, "*") {
			rank++
		}
		head := path.Join(parts[:n]...)
		if match, _ := path.Match(r.pattern, head); match && rank > best {
			root, level, ok, best = head, r.level, true, rank
		}
	}
	return root, level, ok
}

// checkLevels holds the level picture: an import goes strictly down, or stays in its room. Tests may also import a
// test kit of any level, and a test in a package of its own (x_test) is nobody's import: the walls alone hold it.
func checkLevels(t *tree) []violation {
	rooms, err := readPicture(t.fsys)
	if err != nil {
		return []violation{found(pictureFile, 0, "%v", err)}
	}
	var all []violation
	for _, p := range t.packages {
		if p.dir == "internal/archtest" {
			continue // it stands beside the house: checkWalls holds that it touches nothing
		}
		root, level, ok := place(rooms, p.dir)
		if !ok {
			all = append(all, found(p.dir, 0, "the package stands in no room: draw it in the level picture of %s", pictureFile))
			continue
		}
		for _, f := range p.files {
			if strings.HasSuffix(f.syntax.Name.Name, "_test") {
				continue
			}
			for _, i := range t.imports(f) {
				dir, ours := house(i.path)
				if !ours || f.test && isKit(dir) || beside(p.dir, dir) {
					continue
				}
				other, otherLevel, known := place(rooms, dir)
				if known && other != root && otherLevel >= level {
					all = append(all, found(f.path, i.line,
						"%s (level %d) imports %s (level %d): an import may only go down; move what both need to a lower room",
						p.dir, level, dir, otherLevel))
				}
			}
		}
	}
	return all
}

// beside reports whether sideways permits an import between rooms of one level.
func beside(from, to string) bool {
	for _, s := range sideways {
		head := strings.Split(from, "/")
		head = head[:min(len(head), strings.Count(s.from, "/")+1)]
		if match, _ := path.Match(s.from, path.Join(head...)); match && within(to, s.to) {
			return true
		}
	}
	return false
}

func isKit(dir string) bool { return strings.HasSuffix(path.Base(dir), "test") }

// wall is an import direction that the levels alone do not forbid.
type wall struct {
	from   string                // the packages it holds for
	allows func(dir string) bool // which packages of this module they may import
	why    string
}

var walls = []wall{
	{"core", not("plugins", "cmd", "examples"), "core knows no vendor and no command: take what you need as a value from the host"},
	{"internal", not("plugins", "cmd", "examples", "core"), "shared rooms know neither vendors nor the engine"},
	{"rules", not("plugins", "cmd", "examples", "core"), "rules know neither vendors nor the engine: they see accounts as data"},
	{"sdk", only("sdk", "proto", "internal/wire"), "the SDK knows no core: authors import it without the engine"},
	{"plugins", only("sdk", "plugins"), "a vendor's connector uses the SDK alone, as any author's would"},
	{"proto", only("proto"), "the wire contract stands alone"},
	{"sdk/message", only("sdk/message", "sdk/fault"), "the vocabulary needs the standard library and sdk/fault only"},
	{"sdk/fault", only("sdk/fault"), "the error classes need the standard library only"},
	{"cmd", not("examples"), "nobody imports the examples"},
	{"examples", not("cmd"), "nobody imports the command"},
	{"internal/archtest", only(), "the rules of the house stand beside it"},
}

func only(roots ...string) func(string) bool {
	return func(dir string) bool {
		for _, r := range roots {
			if within(dir, r) {
				return true
			}
		}
		return false
	}
}

func not(roots ...string) func(string) bool {
	inside := only(roots...)
	return func(dir string) bool { return !inside(dir) }
}

// checkWalls holds the directions of walls, in tests too.
func checkWalls(t *tree) []violation {
	var all []violation
	for _, p := range t.packages {
		for _, f := range p.files {
			for _, i := range t.imports(f) {
				dir, ours := house(i.path)
				for _, w := range walls {
					if ours && within(p.dir, w.from) && !w.allows(dir) {
						all = append(all, found(f.path, i.line, "%s must not import %s: %s", w.from, dir, w.why))
					}
				}
			}
		}
	}
	return all
}

// dependency is a module that the SDK may use directly. Each one becomes part of every author's build.
type dependency struct{ prefix, where, why string }

var sdkDependencies = []dependency{
	{"google.golang.org/grpc", "sdk/connector", "the transport that go-plugin speaks"},
	{"google.golang.org/grpc", "sdk/connectortest", "calls the real subprocess"},
	{"google.golang.org/protobuf", "sdk/connector", "the wire contract"},
	{"google.golang.org/protobuf", "sdk/connectortest", "calls the real subprocess"},
	{"github.com/hashicorp/go-plugin", "sdk/connector", "runs a connector as a subprocess"},
	{"github.com/hashicorp/go-plugin", "sdk/connectortest", "starts the real subprocess"},
	{"github.com/hashicorp/go-hclog", "sdk/connector", "the logger that go-plugin asks for"},
	{"github.com/hashicorp/go-hclog", "sdk/connectortest", "the logger that go-plugin asks for"},
	{"github.com/google/jsonschema-go", "sdk/connector", "schemas of configurations and operations"},
	{"github.com/google/jsonschema-go", "sdk/connectortest", "checks inputs and outputs against their schemas"},
	{"github.com/tetratelabs/wazero", "sdk/transform/guest", "runs a transform, for the engine and for transformtest; guests do not import it"},
	{"github.com/tetratelabs/wazero", "sdk/transformtest", "runs a transform as .wasm"},
}

// checkDependencies holds the list of modules that sdk/... may import. What is not listed is refused, so sdk/message and
// sdk/fault are left with the standard library.
func checkDependencies(t *tree) []violation {
	var all []violation
	for _, p := range t.packages {
		if !within(p.dir, "sdk") {
			continue
		}
		for _, f := range p.sources() {
			for _, i := range t.imports(f) {
				if _, ours := house(i.path); ours || standard(i.path) || listed(p.dir, i.path) {
					continue
				}
				all = append(all, found(f.path, i.line,
					"%s must not import %s: every author would build it too; use the standard library, or list the dependency with its reason in internal/archtest",
					p.dir, i.path))
			}
		}
	}
	return all
}

func listed(dir, importPath string) bool {
	for _, d := range sdkDependencies {
		if within(dir, d.where) && within(importPath, d.prefix) {
			return true
		}
	}
	return false
}

const maxChain = 7

// checkChain holds the length of the longest chain of imports from room to room. Imports inside a room do not count: what a
// package keeps below itself is its own affair, and nobody else walks through it.
func checkChain(t *tree) []violation {
	rooms, _ := readPicture(t.fsys) // checkLevels reports a picture that cannot be read
	roomOf := func(dir string) string {
		if root, _, ok := place(rooms, dir); ok {
			return root
		}
		return dir
	}
	next := map[string][]string{}
	for _, p := range t.packages {
		for _, f := range p.files {
			for _, i := range t.imports(f) {
				if dir, ours := house(i.path); ours && !f.test && roomOf(dir) != roomOf(p.dir) {
					next[roomOf(p.dir)] = append(next[roomOf(p.dir)], roomOf(dir))
				}
			}
		}
	}
	longest := map[string][]string{}
	var walk func(dir string) []string
	walk = func(dir string) []string {
		if chain, done := longest[dir]; done {
			return chain
		}
		longest[dir] = []string{dir} // ends a cycle, which the compiler refuses anyway
		best := []string{}
		for _, to := range next[dir] {
			if chain := walk(to); len(chain) > len(best) {
				best = chain
			}
		}
		longest[dir] = append([]string{dir}, best...)
		return longest[dir]
	}
	var worst []string
	for _, p := range t.packages {
		if chain := walk(roomOf(p.dir)); len(chain) > len(worst) {
			worst = chain
		}
	}
	if len(worst)-1 <= maxChain {
		return nil
	}
	return []violation{found(worst[0], 0, "a chain of %d imports, at most %d are allowed: %s; cut it by passing a value or an interface",
		len(worst)-1, maxChain, strings.Join(worst, " -> "))}
}

var junk = []string{"pkg", "util", "utils", "common", "models", "helpers", "misc"}

// checkNames holds that no directory is named after nothing.
func checkNames(t *tree) []violation {
	var all []violation
	for _, p := range t.packages {
		for _, part := range strings.Split(p.dir, "/") {
			for _, name := range junk {
				if part == name {
					all = append(all, found(p.dir, 0, "%q says nothing about its content: name the package after what it does", part))
				}
			}
		}
	}
	return all
}
