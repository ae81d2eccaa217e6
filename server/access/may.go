package access

import (
	"slices"

	"zhucun/server/store"
	"zhucun/shared/form"
	"zhucun/shared/identity"
	"zhucun/shared/record"
)

// Action is something that pages and commands ask about before they do it.
type Action string

// The actions.
const (
	Own         Action = "own"         // one's own account
	SeeTotals   Action = "totals"      // sums by village, no persons
	SeeRecords  Action = "records"     // of one's villages, as SightOf says, numbers masked
	SeeWork     Action = "work"        // how villages and laptops stand, what waits
	Decide      Action = "decide"      // on conflicts, proposals and the quarantine
	Edit        Action = "edit"        // write records that the role writes, as merge.Permit says
	Transfer    Action = "transfer"    // households to other villages
	Ask         Action = "ask"         // the team about what waits, as a question
	Notify      Action = "notify"      // send notices and policy documents to villages
	Export      Action = "export"      // records as files
	Unmask      Action = "unmask"      // numbers in full, for a reason
	Devices     Action = "devices"     // enrol and revoke laptops
	Bundles     Action = "bundles"     // take laptops' files, give replies
	SeeAccounts Action = "accounts"    // who has which role
	SetAccounts Action = "setaccounts" // make accounts, reset passwords
	SeeAudit    Action = "audit"
	Erase       Action = "erase"      // a record's content, by law
	CloseMonth  Action = "close"      // keep a month's figures for good
	SeeForms    Action = "forms"      // what is asked, and by which rules figures are worked out
	Publish     Action = "publish"    // other forms, code lists and rules, for all laptops
	Interfaces  Action = "interfaces" // tokens of programs, addresses that are told what comes in
	SeeServer   Action = "server"     // the server's own numbers
	Backups     Action = "backups"    // make backups and try them; what is in them only who may also unmask
)

// permissions is who may do what, as the product promises it. What a role is not
// given here it may not do. The roles of the field work on laptops, where merge
// and store hold them to theirs. Were the office allowed to set accounts,
// everybody in it could make an administrator.
var permissions = map[identity.Role][]Action{
	identity.TeamMember:     {Own},
	identity.FirstSecretary: {Own},
	identity.VillageClerk:   {Own},
	identity.TownshipOffice: {Own},
	identity.SponsorUnit:    {Own, SeeTotals, SeeRecords, Edit},
	identity.Inspector:      {Own, SeeTotals, SeeRecords, Edit},
	identity.Office:         {Own, SeeTotals, SeeRecords, SeeWork, Decide, Edit, Transfer, Ask, Notify, Export, Unmask, Devices, Bundles, SeeAccounts, SeeAudit, CloseMonth, SeeForms, Publish, SeeServer},
	identity.Leader:         {Own, SeeTotals},
	identity.Admin:          {Own, Devices, Bundles, SeeAccounts, SetAccounts, SeeAudit, Erase, SeeForms, Interfaces, SeeServer, Backups},
}

// May tells whether one of the roles may do it.
func May(roles []identity.Role, a Action) bool {
	return slices.ContainsFunc(roles, func(r identity.Role) bool { return slices.Contains(permissions[r], a) })
}

// Sight is how far an account sees where it may see records or totals.
type Sight struct {
	// Village is the only one; "" is all.
	Village record.Village
	// closed are the roles from which the forms may hide a field.
	closed []identity.Role
}

// SightOf gives the sight of an account: of several roles the office's counts
// most, and one more role opens no field that another one closes. What is hidden from a
// role the forms say, for laptops and for the office's pages alike.
func SightOf(a *store.Account) Sight {
	has := func(r identity.Role) bool { return slices.Contains(a.Roles, r) }
	var s Sight
	if has(identity.Office) {
		return s
	}
	for _, r := range []identity.Role{identity.Inspector, identity.SponsorUnit} {
		if has(r) {
			s.closed = append(s.closed, r)
		}
	}
	if has(identity.SponsorUnit) && !has(identity.Inspector) {
		s.Village = a.Village
	}
	return s
}

// Reaches tells whether a village is in sight.
func (s Sight) Reaches(v record.Village) bool { return s.Village == "" || s.Village == v }

// Shows tells whether a field is in sight; nil, a field that no form has, is only
// where nothing is hidden. A number that is masked is hidden from a sponsor unit's laptop,
// which would hold the whole of it; here the unit is shown its end, as everybody is.
func (s Sight) Shows(fd *form.Field) bool {
	return !slices.ContainsFunc(s.closed, func(r identity.Role) bool {
		return fd == nil || fd.HiddenFrom(string(r)) && !(fd.Masked && r == identity.SponsorUnit)
	})
}
