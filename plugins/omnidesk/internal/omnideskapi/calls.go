package omnideskapi

import (
	"context"
	"reflect"
	"slices"
	"strings"
)

// Info is what is known about an endpoint.
type Info struct {
	Method     string
	Path       string // below /api/v2/, such as "ticket/{id}"
	Permission string // of the API key; empty when not documented
	Summary    string // one sentence
	Reads      bool   // changes nothing
	Files      bool   // the answer may be a file, which need not be JSON
	Inferred   bool   // the path follows Omnidesk's naming, and is not documented itself; see Options.Paths
	params     []param
}

// Name is how errors and Options.Paths name the endpoint, such as "GET ticket/{id}".
func (i *Info) Name() string { return i.Method + " " + i.Path }

// Endpoint is one endpoint with parameters In.
type Endpoint[In any] struct{ *Info }

// Do calls the endpoint. It checks the documented patterns and limits first. Its errors are *[InvalidError], *[Error] and *[NoReplyError].
func (e Endpoint[In]) Do(ctx context.Context, c *Client, in In) (Reply, error) {
	return c.do(ctx, e.Info, reflect.ValueOf(in))
}

func (e Endpoint[In]) reads() Endpoint[In]    { e.Reads = true; return e }
func (e Endpoint[In]) files() Endpoint[In]    { e.Files = true; return e }
func (e Endpoint[In]) inferred() Endpoint[In] { e.Inferred = true; return e }

// limit sets the documented maximum of itemLimit.
func (e Endpoint[In]) limit(n int) Endpoint[In] {
	i := slices.IndexFunc(e.params, func(p param) bool { return p.name == "itemLimit" })
	e.params[i].max = n
	return e
}

func call[In any](name, permission, summary string) Endpoint[In] {
	method, path, _ := strings.Cut(name, " ")
	return Endpoint[In]{&Info{Method: method, Path: path, Permission: permission, Summary: summary, Reads: method == "GET",
		params: paramsOf(reflect.TypeFor[In](), method == "GET" || method == "DELETE")}}
}

// The Chat controller.
var (
	WhitelistedDomainsAndBlacklistedIPs = call[None]("GET chat/whitelistedDomainsAndBlacklistedIPs", "API_CHAT", "Return the whitelisted domains and blacklisted IP addresses.")
	RequestChatConfig                   = call[ChatConfig]("POST chat/requestChatConfig", "API_CHAT", "Return the chat's configuration.").reads()
	NotifyUserNewChatMessage            = call[ChatMessage]("POST chat/notifyUserNewChatMessage", "API_CHAT", "Put a customer's message before the agents; a session's first one makes its ticket.")
	NotifyUserNewChatEvent              = call[ChatEvent]("POST chat/notifyUserNewChatEvent", "API_CHAT", "Tell the agent that the customer types, and the like.")
	NotifyUserVisited                   = call[ChatVisit]("POST chat/notifyUserVisited", "API_CHAT", "Tell the agent which page the customer visits.")
	NotifyUserEndChat                   = call[ChatEnd]("POST chat/notifyUserEndChat", "API_CHAT", "Tell the agent that the customer ended the chat.")
	AddAttachment                       = call[ChatAttachment]("POST chat/addAttachment", "API_CHAT", "Add a customer's file to the chat.")
	CheckOriginAndIP                    = call[ChatOrigin]("POST chat/checkOriginAndIP", "API_CHAT", "Check whether a visitor may chat.").reads()
	RequestChatQueue                    = call[Token]("POST chat/requestChatQueue", "API_CHAT", "Return the chat's queue.").reads()
)

// The other controllers, beginning with Message and Ticket.
var (
	CreateMessage          = call[NewMessage]("POST message", "MESSAGE_CREATE", "Add a message to a ticket, and send it where its type says.")
	CreateChatbotMessage   = call[ChatbotMessage]("POST message/chatbot", "MESSAGE_CREATE", "Make a ticket with a message from a bot.")
	ListTickets            = call[TicketList]("GET ticket", "TICKET_READ", "Search tickets.").limit(9999)
	GetTicket              = call[TicketItem]("GET ticket/{id}", "TICKET_READ", "Return a ticket with its timeline.")
	CreateTicket           = call[Undocumented]("POST ticket", "TICKET_CREATE", "Make an empty ticket.")
	UpdateTicket           = call[ItemFields]("PUT ticket/{id}", "TICKET_UPDATE", "Change a ticket.").inferred()
	SetPriority            = call[Undocumented]("POST ticket/setPriority", "TICKET_UPDATE", "Set tickets' priority.").inferred()
	DeleteTicket           = call[Item]("DELETE ticket/{id}", "TICKET_DELETE", "Delete a ticket.").inferred()
	DeleteTickets          = call[Undocumented]("DELETE ticket/multi", "TICKET_DELETE", "Delete several tickets.").inferred()
	SetStatus              = call[Undocumented]("POST ticket/setStatus", "SET_STATUS", "Set tickets' status.").inferred()
	SolveUnfinishedTickets = call[Undocumented]("PUT ticket/solveUnfinishedTickets", "SET_STATUS", "Solve unfinished tickets.").inferred()
	TicketBatch            = call[Undocumented]("POST ticket/batch", "TICKET_BATCH", "Change several tickets.").inferred()

	// The Customer controller.
	ListCustomers                = call[List]("GET customer", "CUSTOMER_READ", "Search customers.").limit(99)
	GetCustomer                  = call[Item]("GET customer/{id}", "CUSTOMER_READ", "Return a customer.").inferred()
	SearchByPrimaryExternalID    = call[Undocumented]("POST customer/searchByPrimaryExternalId", "CUSTOMER_READ", "Find a customer by primary external id.").reads().inferred()
	TimelineByCustomerExternalID = call[Undocumented]("GET customer/timelineByCustomerExternalID", "CUSTOMER_READ", "Return a customer's timeline by external id.").inferred()
	CreateCustomer               = call[NewCustomer]("POST customer", "CUSTOMER_CUD", "Make a customer and link a channel.")
	UpdateCustomer               = call[CustomerUpdate]("PUT customer/updateCustomer", "CUSTOMER_CUD", "Change a customer by external id.")
	AddChannelOnly               = call[Undocumented]("POST customer/addchannelonly", "CUSTOMER_CUD", "Link channels to a customer: noSync, extra_facebook, extra_twitter, extra_telephone (E.164), and further extra_ fields.")
	PurgeCustomerData            = call[Undocumented]("DELETE customer/purgedata", "CUSTOMER_CUD", "Delete all linked data of a customer.")
	PutCustomers                 = call[Undocumented]("PUT customer", "CUSTOMER_CUD", "Change customers.").inferred()
	PutCustomer                  = call[ItemFields]("PUT customer/{id}", "CUSTOMER_CUD", "Change a customer.").inferred()
	DeleteCustomer               = call[Item]("DELETE customer/{id}", "CUSTOMER_CUD", "Delete a customer.").inferred()
	DeleteCustomerChannel        = call[Undocumented]("DELETE customer/itemChannel", "CUSTOMER_CUD", "Unlink a channel of a customer.").inferred()
	ExternalEvent                = call[Undocumented]("POST customer/externalEvent", "CUSTOMER_CUD", "Report an event of another system.").inferred()
	SyncWithCRM                  = call[Undocumented]("POST customer/syncWithCRM", "CUSTOMER_CUD", "Fetch a customer from the CRM.").inferred()
	CreateCustomerCRUD           = call[Undocumented]("POST customer/createCustomerCRUD", "CUSTOMER_CUD", "Make a customer the other way (createCustomerCRUD).").inferred()

	// The Email, Form and Formfield controllers.
	NewInboundMessage  = call[Undocumented]("POST email/newInboundMessage", "SETTINGS_CRUD", "Hand in an inbound e-mail, making a ticket if needed: messageID, externalID, fromAddress and replyToAddress with name and address, and further fields.")
	ListEmailAddresses = call[None]("GET email/address", "SETTINGS_CRUD", "List e-mail addresses.")
	CreateEmailAddress = call[Undocumented]("POST email/address", "SETTINGS_CRUD", "Make an e-mail address.")
	GetEmailAddress    = call[Item]("GET email/address/{id}", "SETTINGS_CRUD", "Return an e-mail address.")
	DeleteEmailAddress = call[Item]("DELETE email/address/{id}", "SETTINGS_CRUD", "Delete an e-mail address.")
	DownloadMail       = call[Item]("GET email/downloadMail/{id}", "TICKET_READ", "Download an e-mail.").files()
	ListForms          = call[List]("GET form", "FORM_READ", "Search forms.").limit(9999)
	GetForm            = call[FormItem]("GET form/{id}", "FORM_READ", "Return a form, with a ticket's values if wanted.")
	GetFormForTicket   = call[Undocumented]("GET form/getFormForTicket", "FORM_READ", "Return the form of a ticket.").inferred()
	CreateForm         = call[Undocumented]("POST form", "FORM_CUD", "Make a form.").inferred()
	UpdateForm         = call[ItemFields]("PUT form/{id}", "FORM_CUD", "Change a form.").inferred()
	DeleteForm         = call[Item]("DELETE form/{id}", "FORM_CUD", "Delete a form.").inferred()
	SaveFormFields     = call[Undocumented]("PUT form/saveFormFields", "FORM_SAVE", "Save a form's values.").inferred()
	ListFormFields     = call[List]("GET formfield", "FORM_READ", "Search form fields.").limit(9999)
	CreateFormField    = call[FormField]("POST formfield", "FORM_CUD", "Make a form field.")
	GetFormField       = call[Item]("GET formfield/{id}", "FORM_CUD", "Return a form field.")
	UpdateFormField    = call[FormFieldUpdate]("PUT formfield/{id}", "FORM_CUD", "Change a form field.")
	DeleteFormField    = call[Item]("DELETE formfield/{id}", "FORM_CUD", "Delete a form field.")

	// The User, View and Channel controllers, and the File and Recording controllers of the older documentation.
	ListUsers                 = call[UserList]("GET user", "USER_READ", "Search agents by name, phone or e-mail.").limit(999)
	GetUserSettings           = call[UserSettings]("GET user/settings", "USER_READ", "Return an agent's settings.").inferred()
	ReserveUserForLiveChannel = call[Undocumented]("POST user/reserveUserForLiveChannel", "API_RESERVE_USER", "Reserve an agent for a live channel.").inferred()
	TicketIncognitoMode       = call[Undocumented]("PUT user/ticketIncognitoMode", "USER_ANONYMOUS_BROWSING_UPDATE", "Set incognito mode for tickets.").inferred()
	CreateUser                = call[Undocumented]("POST user", "USER_CUD", "Make an agent.").inferred()
	ListViews                 = call[FreeList]("GET view", "VIEW_READ", "Search views.").limit(9999)
	CreateView                = call[Undocumented]("POST view", "VIEW_CUD", "Make a view.").inferred()
	UpdateView                = call[ItemFields]("POST view/{id}", "VIEW_CUD", "Change a view.").inferred()
	DeleteView                = call[Item]("DELETE view/{id}", "VIEW_CUD", "Delete a view.")
	GetView                   = call[Item]("GET view/{id}", "GROUP_CUD", "Return a view.")
	ViewCategories            = call[None]("GET view/viewCategories", "SETTINGS_CRUD", "Return the categories of views.").inferred()
	ListChannels              = call[None]("GET channel", "CHANNEL_READ", "List channels.")
	CreateChannel             = call[NewChannel]("POST channel", "CHANNEL_CUD", "Make a custom channel.")
	GetChannel                = call[Item]("GET channel/{id}", "CHANNEL_CUD", "Return a channel.")
	UpdateChannel             = call[ChannelUpdate]("PUT channel/{id}", "CHANNEL_CUD", "Change a channel.")
	DownloadFile              = call[Item]("GET file/{id}", "", "Download a file.").files().inferred()
	ListRecordings            = call[Page]("GET recording", "", "List recordings.")
	Any                       = call[AnyCall]("POST {path}", "", "Call what no other operation names, such as Raw, Statisticsv2 and Notification.").files().inferred()
)

// Endpoints returns what is known about every endpoint.
func Endpoints() []*Info {
	return []*Info{WhitelistedDomainsAndBlacklistedIPs.Info, RequestChatConfig.Info, NotifyUserNewChatMessage.Info, NotifyUserNewChatEvent.Info, NotifyUserVisited.Info,
		NotifyUserEndChat.Info, AddAttachment.Info, CheckOriginAndIP.Info, RequestChatQueue.Info, CreateMessage.Info, CreateChatbotMessage.Info, ListTickets.Info,
		GetTicket.Info, CreateTicket.Info, UpdateTicket.Info, SetPriority.Info, DeleteTicket.Info, DeleteTickets.Info, SetStatus.Info, SolveUnfinishedTickets.Info,
		TicketBatch.Info, ListCustomers.Info, GetCustomer.Info, SearchByPrimaryExternalID.Info, TimelineByCustomerExternalID.Info, CreateCustomer.Info, UpdateCustomer.Info,
		AddChannelOnly.Info, PurgeCustomerData.Info, PutCustomers.Info, PutCustomer.Info, DeleteCustomer.Info, DeleteCustomerChannel.Info, ExternalEvent.Info,
		SyncWithCRM.Info, CreateCustomerCRUD.Info, NewInboundMessage.Info, ListEmailAddresses.Info, CreateEmailAddress.Info, GetEmailAddress.Info, DeleteEmailAddress.Info,
		DownloadMail.Info, ListForms.Info, GetForm.Info, GetFormForTicket.Info, CreateForm.Info, UpdateForm.Info, DeleteForm.Info, SaveFormFields.Info, ListFormFields.Info,
		CreateFormField.Info, GetFormField.Info, UpdateFormField.Info, DeleteFormField.Info, ListUsers.Info, GetUserSettings.Info, ReserveUserForLiveChannel.Info,
		TicketIncognitoMode.Info, CreateUser.Info, ListViews.Info, CreateView.Info, UpdateView.Info, DeleteView.Info, GetView.Info, ViewCategories.Info, ListChannels.Info,
		CreateChannel.Info, GetChannel.Info, UpdateChannel.Info, DownloadFile.Info, ListRecordings.Info}
}
