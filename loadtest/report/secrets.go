// Keeps secrets of a plan out of reports.

package report

import (
	"regexp"
	"strings"

	"barrage/loadtest/plan"
)

// omitted stands where a secret was.
const omitted = "…"

// Of a URL these are the password and parameters that are secret by their names,
// of JSON the members.
var (
	passwordInURL = regexp.MustCompile(`(://[^/?#@]*:)[^/?#@]*@`)
	tokenInURL    = regexp.MustCompile(`(?i)([?&](?:[a-z_]*token|jwt|auth|[a-z_]*key|[a-z_]*secret|password|sig|signature)=)[^&#]*`)
	tokenInJSON   = regexp.MustCompile(`(?i)("(?:[a-z_]*token|jwt|auth|[a-z_]*key|[a-z_]*secret|password)"\s*:\s*")(?:[^"\\]|\\.)*"`)
)

// Redact is a URL, or a text in JSON, without what is secret in it.
func Redact(text string) string {
	text = passwordInURL.ReplaceAllString(text, "${1}"+omitted+"@")
	text = tokenInURL.ReplaceAllString(text, "${1}"+omitted)
	return tokenInJSON.ReplaceAllString(text, "${1}"+omitted+`"`)
}

// withoutSecrets is a plan that may be shown to others. Of headers only the names
// remain: which of them are secret cannot be told. So it is with binary data.
func withoutSecrets(p plan.Plan) plan.Plan {
	p.URLs = mapped(p.URLs, Redact)
	p.Headers = mapped(p.Headers, nameOnly)
	p.PublishHeaders = mapped(p.PublishHeaders, nameOnly)
	for _, text := range []*string{&p.OpenText, &p.PublishURL, &p.PublishBody, &p.SendText, &p.Redis} {
		*text = Redact(*text)
	}
	if p.Token != "" {
		p.Token = omitted
	}
	if p.OpenHex != "" {
		p.OpenHex = omitted
	}
	return p
}

func mapped(list []string, f func(string) string) []string {
	if list == nil {
		return nil
	}
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = f(s)
	}
	return out
}

func nameOnly(header string) string {
	name, _, found := strings.Cut(header, ":")
	if !found {
		return omitted
	}
	return name + ": " + omitted
}
