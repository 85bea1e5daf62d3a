package chat2desk

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	api "github.com/hermodhq/hermod/plugins/chat2desk/internal/chat2deskapi"
	"github.com/hermodhq/hermod/sdk/connector"
)

const (
	reads   = false
	mutates = true
)

// op declares an operation that is one endpoint of Chat2Desk, with the endpoint's own fields and its data as they come.
func op[In any](name string, e api.Endpoint[In], summary string, mutates bool) connector.Operation[*account] {
	return connector.Op(name, e.Name(), summary, mutates, func(ctx context.Context, a *account, in In) (api.Reply, error) {
		r, err := e.Raw(ctx, a.client, in)
		if settled, ok := settle(err); ok {
			return settled, nil
		}
		return r, faultOf(err, mutates)
	})
}

// settle reads refusals that say that what was wanted is so already.
func settle(err error) (api.Reply, bool) {
	if id, ok := api.ExistingClient(err); ok {
		data, err := json.Marshal(map[string]any{"id": id, "existing": true})
		return api.Reply{Data: data, Message: "the client exists already"}, err == nil
	}
	e, refused := errors.AsType[*api.Error](err)
	return api.Reply{Message: "the dialog has this state already"}, refused && strings.Contains(strings.ToLower(e.Text), "already has state")
}

func operations() []connector.Operation[*account] {
	return []connector.Operation[*account]{
		op("message.list", api.ListMessages, "Return messages, from start_id on.", reads),
		op("message.get", api.GetMessage, "Return one message.", reads),
		op("message.read", api.ReadMessage, "Mark a message as read.", mutates),
		op("message.unread", api.UnreadMessage, "Mark a message as not read.", mutates),
		op("message.send", api.SendMessage, "Send a message, a comment or a system message to a client, or quote one.", mutates),
		op("message.inbox", api.Inbox, "Pass a client's message into an external channel.", mutates),
		op("message.transfer", api.Transfer, "Hand a message's dialog to an operator.", mutates),
		op("message.transfer_to_group", api.TransferToGroup, "Hand a message's dialog to an operator group.", mutates),
		op("message.assign", api.Assign, "Hand a message's dialog to an operator; the older form.", mutates),
		op("client.list", api.ListClients, "Return clients.", reads),
		op("client.get", api.GetClient, "Return one client.", reads),
		op("client.transports", api.GetTransports, "Return the transports that reach a client.", reads),
		op("client.last_question", api.LastQuestion, "Return a client's last question.", reads),
		op("client.dialogs", api.ListClientDialog, "Return a client's dialogs.", reads),
		op("client.create", api.CreateClient, "Make a client, or return the id of the one that exists.", mutates),
		op("client.update", api.UpdateClient, "Change a client.", mutates),
		op("channel.list", api.ListChannels, "Return channels.", reads),
		op("channel.get", api.GetChannel, "Return one channel.", reads),
		op("transport.list", api.HelpTransports, "Return what each transport can carry.", reads),
		op("tag.list", api.ListTags, "Return tags.", reads),
		op("tag.get", api.GetTag, "Return one tag.", reads),
		op("tag.create", api.CreateTag, "Make a tag.", mutates),
		op("tag.assign", api.AssignTags, "Put tags on a client or a request. Unknown tags are passed over.", mutates),
		op("tag.remove", api.DeleteTag, "Take a tag from a client or a request.", mutates),
		op("operator.list", api.ListOperators, "Return operators.", reads),
		op("operator.create", api.CreateOperator, "Make an operator.", mutates),
		op("operator.update", api.UpdateOperator, "Change an operator.", mutates),
		op("operator.statuses", api.OperatorStatuses, "Return the statuses that operators can have.", reads),
		op("group.list", api.ListGroups, "Return operator groups.", reads),
		op("access_right.list", api.ListAccessRights, "Return the roles of the custom role model.", reads),
		op("access_right.get", api.GetAccessRight, "Return one role of the custom role model.", reads),
		op("dialog.list", api.ListDialogs, "Return dialogs.", reads),
		op("dialog.get", api.GetDialog, "Return one dialog.", reads),
		op("dialog.unanswered", api.UnansweredDialogs, "Return dialogs that wait for an answer.", reads),
		op("dialog.update", api.UpdateDialog, "Open, close or hand over a dialog.", mutates),
		op("request.get", api.GetRequest, "Return one request.", reads),
		op("request.messages", api.RequestMessages, "Return the messages of a request.", reads),
		op("request.close", api.CloseRequests, "Close a client's request.", mutates),
		op("ticket.list", api.ListTickets, "Return tickets.", reads),
		op("ticket.get", api.GetTicket, "Return one ticket.", reads),
		op("ticket.create", api.CreateTicket, "Make a ticket.", mutates),
		op("ticket.update", api.UpdateTicket, "Change a ticket.", mutates),
		op("ticket.delete", api.DeleteTicket, "Delete a ticket.", mutates),
		op("ticket.values", api.HelpTickets, "Return the values that tickets can have.", reads),
		op("statistics.get", api.Statistics, "Return a report of one day.", reads),
		op("webhook.list", api.ListWebhooks, "Return webhooks.", reads),
		op("webhook.create", api.CreateWebhook, "Make a webhook; there can be five.", mutates),
		op("webhook.update", api.UpdateWebhook, "Change a webhook.", mutates),
		op("webhook.delete", api.DeleteWebhook, "Delete a webhook.", mutates),
		op("webhook.set_inbox", api.SetWebHook, "Set the older webhook of messages; an empty URL removes it.", mutates),
		op("webhook.set_chat_close", api.SetChatCloseWebHook, "Set the older webhook of closed chats; an empty URL removes it.", mutates),
		op("template.list", api.ListTemplates, "Return quick replies.", reads),
		op("template.get", api.GetTemplate, "Return one quick reply.", reads),
		op("menu.items", api.MenuItems, "Return the items of scenario menus.", reads),
		op("field.list", api.CustomFields, "Return the custom fields of clients.", reads),
		op("company.api_info", api.APIInfo, "Return the API mode and the requests of this month.", reads),
		op("company.info", api.CompanyInfo, "Return the company.", reads),
		op("company.update", api.UpdateCompany, "Change the company; known from an old manual only.", mutates),
		op("api.modes", api.APIModes, "Return the API modes.", reads),
		op("help.roles", api.HelpRoles, "Return the roles of operators.", reads),
		op("help.dialog_states", api.HelpDialogStates, "Return the states of dialogs.", reads),
		op("region.list", api.ListRegions, "Return regions.", reads),
		op("country.list", api.ListCountries, "Return countries.", reads),
		op("qr.decode", api.QRDecode, "Read a QR code from a picture.", mutates),
	}
}
