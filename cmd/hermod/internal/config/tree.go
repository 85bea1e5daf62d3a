package config

import (
	"math"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/hermodhq/hermod/core"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

type keys = map[string]func(*yaml.Node, string)

// top reads the whole configuration.
func (r *reader) top(root *yaml.Node, c *Config) {
	before := len(r.problems)
	r.keys(root, "", keys{
		"name":               r.text(&c.Name),
		"data":               r.folder(&c.Data),
		"durability":         word(r, &c.Durability, core.Sync, core.Process),
		"encryption_key":     r.text(&c.EncryptionKey),
		"nats":               func(n *yaml.Node, path string) { c.NATS = r.nats(n, path) },
		"retention":          r.duration(&c.Retention),
		"idempotency_window": r.duration(&c.KeysKept),
		"partitions":         r.number(1, true, func(v float64) { c.Partitions = int(v) }),
		"max_bytes":          r.bytes(&c.MaxBytes),
		"plugins":            r.folder(&c.Plugins),
		"rules":              r.folder(&c.Rules),
		"transforms":         r.folder(&c.Transforms),
		"default_region":     r.text(&c.DefaultRegion),
		"http":               func(n *yaml.Node, path string) { r.http(n, path, &c.HTTP) },
		"accounts":           func(n *yaml.Node, path string) { c.Accounts = r.accounts(n, path) },
	})
	c.Rules = r.absolute(c.Rules)
	if c.Transforms == "" {
		if dir := r.absolute("transforms"); isFolder(dir) {
			c.Transforms = dir
		}
	}
	if len(r.problems) > before {
		return // a key that was misspelled would be reported again as missing
	}
	switch {
	case c.Data == "" && c.NATS == nil:
		r.fail(root, "data", "key_missing", "add `data: var/hermod`, or `nats:` for an existing NATS", "there is no journal")
	case c.Data != "" && c.NATS != nil:
		r.fail(root, "data", "conflict", "keep `data` for the embedded journal, or `nats` for an existing one", `"data" and "nats" exclude each other`)
	}
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

func (r *reader) nats(n *yaml.Node, path string) *core.NATS {
	var c core.NATS
	r.keys(n, path, keys{
		"url":         r.text(&c.URL),
		"credentials": r.folder(&c.Credentials),
		"replicas":    r.number(1, true, func(v float64) { c.Replicas = int(v) }),
	})
	if c.URL == "" {
		r.fail(n, join(path, "url"), "key_missing", "name the servers, such as `url: nats://localhost:4222`", "%s needs a url", where(path))
	}
	return &c
}

func (r *reader) http(n *yaml.Node, path string, c *HTTP) {
	r.keys(n, path, keys{
		"listen": func(n *yaml.Node, path string) {
			s, at, ok := r.scalar(n, path)
			if !ok {
				return
			}
			if _, port, err := net.SplitHostPort(s); err != nil || port == "" {
				r.fail(at, path, "address_invalid", `write it like "127.0.0.1:8080" or ":8080"`, "%s must be an address with a port", where(path))
				return
			}
			c.Listen = s
		},
		"public_url": func(n *yaml.Node, path string) {
			s, at, ok := r.scalar(n, path)
			if !ok {
				return
			}
			u, err := url.Parse(s)
			if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" {
				r.fail(at, path, "url_invalid", `write it like "https://messages.example.com"`, "%s must be an http or https URL with no query", where(path))
				return
			}
			c.PublicURL = strings.TrimRight(s, "/")
		},
	})
}

func (r *reader) accounts(n *yaml.Node, path string) map[message.AccountID]core.Account {
	all := map[message.AccountID]core.Account{}
	r.each(n, path, func(key, v *yaml.Node, at string) {
		if !nameOK(key.Value) {
			r.fail(key, at, "name_invalid", "use letters, digits, dots, dashes and underscores, at most 64", "this cannot name an account")
			return
		}
		all[message.AccountID(key.Value)] = r.account(key, v, at)
	})
	return all
}

// nameOK reports whether an account's name can stand in a route, a webhook's path and a metric's label.
func nameOK(name string) bool {
	if name == "" || len(name) > 64 || name[0] == '.' {
		return false
	}
	return strings.IndexFunc(name, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.')
	}) < 0
}

func (r *reader) account(key, n *yaml.Node, path string) core.Account {
	var a core.Account
	before := len(r.problems)
	r.keys(n, path, keys{
		"connector": r.text((*string)(&a.Connector)),
		"config":    func(n *yaml.Node, path string) { a.Config = r.json(n, path) },
		"limits":    func(n *yaml.Node, path string) { a.Limits = r.limits(n, path) },
		"isolate":   r.boolean(&a.Isolate),
	})
	if a.Connector == "" && len(r.problems) == before {
		r.fail(key, join(path, "connector"), "key_missing", "add `connector: NAME`; see `hermod connectors list`", "account %q names no connector", key.Value)
	}
	return a
}

func (r *reader) limits(n *yaml.Node, path string) *connector.Limits {
	var l connector.Limits
	r.keys(n, path, keys{
		"per_second":               r.number(0, false, func(v float64) { l.PerSecond = v }),
		"per_recipient_per_second": r.number(0, false, func(v float64) { l.PerRecipientPerSecond = v }),
		"concurrency":              r.number(0, true, func(v float64) { l.Concurrency = int(v) }),
	})
	return &l
}

// plainNumber returns a YAML number as JSON text.
func plainNumber(n *yaml.Node) (string, bool) {
	text := strings.ReplaceAll(n.Value, "_", "")
	if n.ShortTag() == "!!int" {
		if v, err := strconv.ParseInt(text, 0, 64); err == nil {
			return strconv.FormatInt(v, 10), true
		}
		if v, err := strconv.ParseUint(text, 0, 64); err == nil {
			return strconv.FormatUint(v, 10), true
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		return "", false
	}
	return strconv.FormatFloat(v, 'g', -1, 64), true
}
