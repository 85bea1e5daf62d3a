package archtest

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	link       = regexp.MustCompile(`\]\(([^)#:\s]+)(#[^)]*)?\)`)
	makeTarget = regexp.MustCompile("(?m)(?:^|`)make ([a-z-]+)")
	targetLine = regexp.MustCompile(`(?m)^([a-z-]+):`)
)

// checkDocuments holds that the documents in the root are true where a machine can tell: their links lead somewhere, the
// make targets exist, and the README's Go and YAML are pieces of files that are tested.
func checkDocuments(t *tree) []violation {
	var all []violation
	makefile, _ := fs.ReadFile(t.fsys, "Makefile")
	var targets []string
	for _, m := range targetLine.FindAllStringSubmatch(string(makefile), -1) {
		targets = append(targets, m[1])
	}
	names, _ := fs.Glob(t.fsys, "*.md")
	for _, name := range names {
		text, err := fs.ReadFile(t.fsys, name)
		if err != nil {
			continue
		}
		for i, line := range strings.Split(string(text), "\n") {
			for _, m := range link.FindAllStringSubmatch(line, -1) {
				if _, err := fs.Stat(t.fsys, path.Clean(m[1])); err != nil {
					all = append(all, found(name, i+1, "the link to %s leads nowhere: correct it", m[1]))
				}
			}
			for _, m := range makeTarget.FindAllStringSubmatch(line, -1) {
				if !slices.Contains(targets, m[1]) {
					all = append(all, found(name, i+1, "the Makefile has no target %s: correct the text or add it", m[1]))
				}
			}
		}
		if name == "README.md" {
			all = append(all, t.checkBlocks(name, string(text))...)
		}
	}
	return all
}

// checkBlocks holds that the lines of each Go and YAML block of a document stand, in this order and indentation aside, in one
// file of examples or rules.
func (t *tree) checkBlocks(name, text string) []violation {
	tested := map[string][][]string{} // language to the lines of each tested file
	for _, root := range []string{"examples", "rules"} {
		_ = fs.WalkDir(t.fsys, root, func(p string, d fs.DirEntry, err error) error {
			ext := strings.TrimPrefix(path.Ext(p), ".")
			if err != nil || d.IsDir() || ext != "go" && ext != "yaml" {
				return nil // a folder that is not there holds nothing
			}
			if b, err := fs.ReadFile(t.fsys, p); err == nil {
				tested[ext] = append(tested[ext], strings.Split(string(b), "\n"))
			}
			return nil
		})
	}
	var all []violation
	language, block, start := "", []string{}, 0
	for i, line := range strings.Split(text, "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && start == 0:
			language, block, start = fence, nil, i+1
		case isFence:
			holds := func(file []string) bool { return inOrder(file, block) }
			if (language == "go" || language == "yaml") && !slices.ContainsFunc(tested[language], holds) {
				all = append(all, found(name, start, "this %s is in no file of examples or rules: copy it from one that is tested", language))
			}
			start = 0
		default:
			block = append(block, line)
		}
	}
	return all
}

// inOrder reports whether the lines of block stand in file in the same order. Indentation and empty lines do not count.
func inOrder(file, block []string) bool {
	for _, line := range block {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		i := slices.IndexFunc(file, func(l string) bool { return strings.TrimSpace(l) == line })
		if i < 0 {
			return false
		}
		file = file[i+1:]
	}
	return true
}
