package link

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/hermodhq/hermod/core/internal/journal/internal/jerr"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Dial connects to an external server. The URL may list several; credentials is the path of a file, or empty.
func Dial(ctx context.Context, urls, credentials, owner string) (*Link, error) {
	opts := []nats.Option{nats.Name("hermod journal " + owner), nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond)}
	if dl, ok := ctx.Deadline(); ok {
		opts = append(opts, nats.Timeout(max(time.Until(dl), time.Millisecond)))
	}
	if credentials != "" {
		opts = append(opts, nats.UserCredentials(credentials))
	}
	nc, err := nats.Connect(urls, opts...)
	if errors.Is(err, nats.ErrAuthorization) {
		return nil, jerr.New(jerr.CodeUnauthorized, "check the credentials file and the rights of its user", "NATS at %s refuses the credentials", hosts(urls))
	}
	if err != nil {
		return nil, jerr.Wrap(jerr.CodeUnreachable, "check the URL, the credentials file, the server and the network",
			"cannot connect to NATS at "+hosts(urls), err)
	}
	l := &Link{NC: nc, Trouble: newTrouble()}
	if !atLeast(nc.ConnectedServerVersion(), 2, 11) {
		l.Stop()
		return nil, jerr.New(jerr.CodeTooOld, "upgrade NATS to 2.11 or later", "NATS at %s is version %s", hosts(urls), nc.ConnectedServerVersion())
	}
	if l.JS, err = jetstream.New(nc); err != nil {
		l.Stop()
		return nil, jerr.New(jerr.CodeUnreachable, "report this", "jetstream: %w", err)
	}
	return l, nil
}

// hosts gives the hosts of a list of URLs, without users and passwords.
func hosts(urls string) string {
	var out []string
	for s := range strings.SplitSeq(urls, ",") {
		s = strings.TrimSpace(s)
		if !strings.Contains(s, "://") {
			s = "nats://" + s
		}
		if u, err := url.Parse(s); err == nil {
			out = append(out, u.Host)
		} else {
			out = append(out, "(an address that cannot be parsed)")
		}
	}
	return strings.Join(out, ", ")
}

func atLeast(version string, major, minor int) bool {
	var a, b int
	if _, err := fmt.Sscanf(version, "%d.%d", &a, &b); err != nil {
		return false
	}
	return a > major || a == major && b >= minor
}
