// Package version says which build of the command this is: `hermod --version`.
package version

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Info tells one build from another. What a build does not know of itself is left empty.
type Info struct {
	Version  string `json:"version"`            // of the module; (devel) for a build from a checkout
	Revision string `json:"revision,omitempty"` // of the version control system
	Time     string `json:"time,omitempty"`     // of the revision, RFC 3339
	Modified bool   `json:"modified,omitempty"` // the checkout held more than the revision
	Go       string `json:"go"`                 // the version of Go that built it
	Platform string `json:"platform"`           // such as linux/amd64
}

// Of reads what the linker wrote into a program; nil is a program that knows nothing of itself.
func Of(build *debug.BuildInfo) Info {
	i := Info{Version: "(unknown)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if build == nil {
		return i
	}
	if i.Version = build.Main.Version; i.Version == "" {
		i.Version = "(devel)"
	}
	if build.GoVersion != "" {
		i.Go = build.GoVersion
	}
	for _, s := range build.Settings {
		switch s.Key {
		case "vcs.revision":
			i.Revision = s.Value
		case "vcs.time":
			i.Time = s.Value
		case "vcs.modified":
			i.Modified = s.Value == "true"
		}
	}
	return i
}

// String gives all of it on one line.
func (i Info) String() string {
	text := "hermod " + i.Version
	if i.Revision != "" {
		text += ", revision " + i.Revision
		if i.Time != "" {
			text += " of " + i.Time
		}
		if i.Modified {
			text += ", modified"
		}
	}
	return fmt.Sprintf("%s, %s, %s", text, i.Go, i.Platform)
}

// Flag gives the root command the flag --version; show prints a result, as JSON or as text.
func Flag(root *cobra.Command, show func(v any, text func(io.Writer) error) error) {
	asked := root.Flags().Bool("version", false, "say which build this is")
	run := root.RunE
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if !*asked || len(args) > 0 {
			return run(cmd, args)
		}
		build, _ := debug.ReadBuildInfo()
		i := Of(build)
		return show(i, func(w io.Writer) error {
			_, err := fmt.Fprintln(w, i)
			return err
		})
	}
}
