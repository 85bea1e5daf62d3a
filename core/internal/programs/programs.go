// Package programs finds out how each connector is run, and what rules may say of its accounts.
package programs

import (
	"maps"

	"github.com/spf13/afero"

	"github.com/hermodhq/hermod/core/internal/pluginhost"
	"github.com/hermodhq/hermod/rules"
	"github.com/hermodhq/hermod/sdk/connector"
	"github.com/hermodhq/hermod/sdk/message"
)

// Find returns how each connector is run: those of the plugins folder, if there is one, and those that are linked in, which run as
// subprocesses of this very program or, with inProcess, in it. A linked connector wins over a program of the same name.
func Find(linked []connector.Connector, inProcess bool, plugins string) (map[message.ConnectorName]pluginhost.Program, error) {
	all := map[message.ConnectorName]pluginhost.Program{}
	if plugins != "" {
		found, err := pluginhost.Discover(afero.NewOsFs(), plugins)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, found)
	}
	for _, c := range linked {
		p := pluginhost.Program{SelfExec: true}
		if inProcess {
			p = pluginhost.Program{InProcess: c}
		}
		all[c.Describe().Name] = p
	}
	return all, nil
}

// Account returns what rules may say of an account of a connector.
func Account(d connector.Description) rules.AccountInfo {
	info := rules.AccountInfo{Connector: d.Name, Events: d.Events}
	for _, o := range d.Operations {
		info.Operations = append(info.Operations, rules.OperationInfo{Name: o.Name, Input: o.Input, Mutates: o.Mutates})
	}
	for _, c := range d.Channels {
		info.Channels = append(info.Channels, rules.ChannelInfo{
			Channel: c.Channel, Kinds: c.Kinds, MaxText: c.MaxText, Outcomes: c.Outcomes, Session: c.Session, TTL: c.TTL,
		})
	}
	return info
}
