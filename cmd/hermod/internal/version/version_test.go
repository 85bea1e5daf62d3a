package version

import (
	"bytes"
	"encoding/json"
	"io"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

func TestOf(t *testing.T) {
	here := Of(nil)
	setting := func(key, value string) debug.BuildSetting { return debug.BuildSetting{Key: key, Value: value} }
	for _, tt := range []struct {
		name  string
		build *debug.BuildInfo
		text  string
		json  string
	}{
		{"no information", nil, "hermod (unknown), GO, PLATFORM", `{"version":"(unknown)","go":"GO","platform":"PLATFORM"}`},
		{"a test", &debug.BuildInfo{}, "hermod (devel), GO, PLATFORM", `{"version":"(devel)","go":"GO","platform":"PLATFORM"}`},
		{"a published version", &debug.BuildInfo{GoVersion: "go1.26.1", Main: debug.Module{Version: "v1.2.3"}}, "hermod v1.2.3, go1.26.1, PLATFORM",
			`{"version":"v1.2.3","go":"go1.26.1","platform":"PLATFORM"}`},
		{"a checkout", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: []debug.BuildSetting{
			setting("vcs", "git"), setting("vcs.revision", "0123abcd"), setting("vcs.time", "2026-11-22T03:00:00Z"), setting("vcs.modified", "false")}},
			"hermod (devel), revision 0123abcd of 2026-11-22T03:00:00Z, GO, PLATFORM",
			`{"version":"(devel)","revision":"0123abcd","time":"2026-11-22T03:00:00Z","go":"GO","platform":"PLATFORM"}`},
		{"an edited checkout", &debug.BuildInfo{Main: debug.Module{Version: "v1.2.4-0.20261122030000-0123abcd+dirty"}, Settings: []debug.BuildSetting{
			setting("vcs.revision", "0123abcd"), setting("vcs.modified", "true")}},
			"hermod v1.2.4-0.20261122030000-0123abcd+dirty, revision 0123abcd, modified, GO, PLATFORM",
			`{"version":"v1.2.4-0.20261122030000-0123abcd+dirty","revision":"0123abcd","modified":true,"go":"GO","platform":"PLATFORM"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Of(tt.build)
			text, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			these := strings.NewReplacer("GO", here.Go, "PLATFORM", here.Platform)
			if diff := cmp.Diff(these.Replace(tt.text+"\n"+tt.json), got.String()+"\n"+string(text)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFlag(t *testing.T) {
	var b bytes.Buffer
	var shown any
	ran := 0
	run := func(args ...string) {
		t.Helper()
		root := &cobra.Command{Use: "hermod", Args: cobra.ArbitraryArgs, RunE: func(*cobra.Command, []string) error { ran++; return nil }}
		Flag(root, func(v any, text func(io.Writer) error) error { shown = v; return text(&b) })
		root.SetArgs(args)
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	run("--version")
	if i, ok := shown.(Info); !ok || i.Go == "" || b.String() != i.String()+"\n" || ran != 0 {
		t.Errorf("%v, %q", shown, &b)
	}
	shown = nil
	run()
	run("snd", "--version") // the unknown command is what matters
	if shown != nil || ran != 2 {
		t.Errorf("%v, %d", shown, ran)
	}
}
