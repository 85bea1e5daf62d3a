package omnidesk

import (
	"context"

	api "github.com/hermodhq/hermod/plugins/omnidesk/internal/omnideskapi"
	"github.com/hermodhq/hermod/sdk/connector"
)

// op declares an operation that is one endpoint of Omnidesk, with the endpoint's own parameters.
func op[In any](name string, e api.Endpoint[In]) connector.Operation[*account] {
	return connector.Op(name, e.Method+" /api/v2/"+e.Path, e.Summary, !e.Reads, func(ctx context.Context, a *account, in In) (api.Reply, error) {
		out, err := e.Do(ctx, a.client, in)
		return out, faultOf(err, e.Info)
	})
}

func operations() []connector.Operation[*account] {
	return []connector.Operation[*account]{
		op("chat.lists", api.WhitelistedDomainsAndBlacklistedIPs), op("chat.config", api.RequestChatConfig), op("chat.message", api.NotifyUserNewChatMessage),
		op("chat.event", api.NotifyUserNewChatEvent), op("chat.visited", api.NotifyUserVisited), op("chat.end", api.NotifyUserEndChat), op("chat.attach", api.AddAttachment),
		op("chat.check", api.CheckOriginAndIP), op("chat.queue", api.RequestChatQueue),
		op("message.create", api.CreateMessage), op("message.chatbot", api.CreateChatbotMessage),
		op("ticket.list", api.ListTickets), op("ticket.get", api.GetTicket), op("ticket.create", api.CreateTicket), op("ticket.update", api.UpdateTicket),
		op("ticket.set_priority", api.SetPriority), op("ticket.set_status", api.SetStatus), op("ticket.solve_unfinished", api.SolveUnfinishedTickets),
		op("ticket.batch", api.TicketBatch), op("ticket.delete", api.DeleteTicket), op("ticket.delete_many", api.DeleteTickets),
		op("customer.list", api.ListCustomers), op("customer.get", api.GetCustomer), op("customer.search_by_external_id", api.SearchByPrimaryExternalID),
		op("customer.timeline", api.TimelineByCustomerExternalID), op("customer.create", api.CreateCustomer), op("customer.update", api.UpdateCustomer),
		op("customer.add_channel", api.AddChannelOnly), op("customer.purge", api.PurgeCustomerData), op("customer.put_many", api.PutCustomers),
		op("customer.put", api.PutCustomer), op("customer.delete", api.DeleteCustomer), op("customer.delete_channel", api.DeleteCustomerChannel),
		op("customer.external_event", api.ExternalEvent), op("customer.sync_crm", api.SyncWithCRM), op("customer.create_crud", api.CreateCustomerCRUD),
		op("email.inbound", api.NewInboundMessage), op("email.download", api.DownloadMail), op("email.addresses", api.ListEmailAddresses),
		op("email.create_address", api.CreateEmailAddress), op("email.get_address", api.GetEmailAddress), op("email.delete_address", api.DeleteEmailAddress),
		op("form.list", api.ListForms), op("form.get", api.GetForm), op("form.for_ticket", api.GetFormForTicket), op("form.create", api.CreateForm),
		op("form.update", api.UpdateForm), op("form.delete", api.DeleteForm), op("form.save_fields", api.SaveFormFields),
		op("formfield.list", api.ListFormFields), op("formfield.get", api.GetFormField), op("formfield.create", api.CreateFormField), op("formfield.update", api.UpdateFormField),
		op("formfield.delete", api.DeleteFormField),
		op("user.list", api.ListUsers), op("user.settings", api.GetUserSettings), op("user.reserve", api.ReserveUserForLiveChannel),
		op("user.incognito", api.TicketIncognitoMode), op("user.create", api.CreateUser),
		op("view.list", api.ListViews), op("view.get", api.GetView), op("view.categories", api.ViewCategories), op("view.create", api.CreateView),
		op("view.update", api.UpdateView), op("view.delete", api.DeleteView),
		op("channel.list", api.ListChannels), op("channel.get", api.GetChannel), op("channel.create", api.CreateChannel), op("channel.update", api.UpdateChannel),
		op("file.download", api.DownloadFile), op("recording.list", api.ListRecordings), op("api.call", api.Any),
	}
}
