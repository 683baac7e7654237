// Sets text in lines of a terminal's width.

package report

import (
	"strings"
	"unicode/utf8"
)

const (
	pageWidth  = 80
	labelWidth = 13
)

// Colors are the terminal's own, so they suit its background.
const (
	plain  = ""
	bold   = "\x1b[1m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	reset  = "\x1b[0m"
)

// items are short texts that stand side by side.
type items []string

// addIf adds an item if it is worth showing.
func (i *items) addIf(worth bool, text string) {
	if worth {
		*i = append(*i, text)
	}
}

// sheet collects rows of a label and items, and breaks lines between items.
type sheet struct {
	b     strings.Builder
	color bool
}

// row writes items that are kept whole, two blanks apart; nothing if there are none.
func (s *sheet) row(style, label string, items ...string) {
	if len(items) > 0 {
		s.fill(style, label, "  ", items)
	}
}

// sentence writes text, broken between words.
func (s *sheet) sentence(style, label, text string) {
	s.fill(style, label, " ", strings.Fields(text))
}

func (s *sheet) fill(style, label, gap string, items []string) {
	pad := strings.Repeat(" ", max(1, labelWidth-utf8.RuneCountInString(label)))
	if s.color && style != plain {
		label = style + label + reset
	}
	s.b.WriteString(label + pad)
	at := labelWidth
	for i, item := range items {
		n := utf8.RuneCountInString(item)
		switch {
		case i == 0:
		case at+len(gap)+n > pageWidth:
			s.b.WriteString("\n" + strings.Repeat(" ", labelWidth))
			at = labelWidth
		default:
			s.b.WriteString(gap)
			at += len(gap)
		}
		s.b.WriteString(item)
		at += n
	}
	s.b.WriteByte('\n')
}

// cut shortens a line to a width in characters.
func cut(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	runes := []rune(line)
	return string(runes[:max(0, width-1)]) + "…"
}
