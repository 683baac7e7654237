// Package paged is tables that are indexed by small integers, such as a loop's
// numbers of connections. They grow by pages of a fixed size, so that growing copies
// no entry and entries stay where they are, pages of entries without pointers are
// nothing for the garbage collector to walk, and what is sparse costs a pointer a
// page.
package paged

import "iter"

// Page is the number of entries of a page.
const Page = 512

// Table is a table of T by I. The zero Table is empty. It belongs to one goroutine.
type Table[I ~uint32, T any] struct {
	pages []*[Page]T // nil where nothing was made
}

// At returns an entry, whose page must be there: Make was called for it or for one
// of its page.
func (t *Table[I, T]) At(i I) *T { return &t.pages[i/Page][i%Page] }

// Make returns an entry, and makes its page, of zero entries, if it is not there.
func (t *Table[I, T]) Make(i I) *T {
	p := int(i / Page)
	for p >= len(t.pages) {
		t.pages = append(t.pages, nil)
	}
	if t.pages[p] == nil {
		t.pages[p] = new([Page]T)
	}
	return &t.pages[p][i%Page]
}

// Len is the least number that no page has an entry for.
func (t *Table[I, T]) Len() int { return len(t.pages) * Page }

// Get returns the value of an entry; it is zero where there is no page.
func (t *Table[I, T]) Get(i I) (v T) {
	if p := int(i / Page); p < len(t.pages) && t.pages[p] != nil {
		v = t.pages[p][i%Page]
	}
	return v
}

// All yields the entries of all pages that are there, by their index; zero ones,
// too. Entries of pages that are made meanwhile may come, or not.
func (t *Table[I, T]) All() iter.Seq2[I, *T] {
	return func(yield func(I, *T) bool) {
		for p, page := range t.pages {
			if page == nil {
				continue
			}
			for i := range page {
				if !yield(I(p*Page+i), &page[i]) {
					return
				}
			}
		}
	}
}
