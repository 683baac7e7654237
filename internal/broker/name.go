// Names of rooms, users and their devices: the one place where their rules and limits are written, and
// where two ways to write one name become the same.

package broker

import (
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"barrage/internal/refusal"
)

// Limits of what people and programs may name, in bytes. They are the same in
// tokens, commands and the HTTP API.
const (
	MaxRoomName = 128  // but of rooms of single users: UserPrefix and the id
	MaxUserID   = 256  // OpenID Connect allows 255 (Core 1.0, section 2)
	MaxName     = 128  // a nickname
	MaxAvatar   = 1024 // a URL
	MaxKind     = 64   // of a message
	MaxKey      = 128  // an idempotency key
	MaxMethod   = 128  // of requests
	MaxDevice   = 128  // of a user
)

// UserPrefix begins the rooms of single users, which only they may join.
const UserPrefix = "user:"

// UserRoom is the room of a user.
func UserRoom(user string) string { return UserPrefix + user }

// UserOf is the user whose room it is; ok is false for any other room.
func UserOf(room string) (user string, ok bool) { return strings.CutPrefix(room, UserPrefix) }

// maxForms is by how much longer another form of a name may be than its normal form, of
// all characters of Unicode.
const maxForms = 3

// RoomName returns the normal form of a room's name, or what is wrong with it, a
// [refusal.Error] with the code bad_room. The name is UserPrefix and a user's id, or 1 to
// MaxRoomName bytes of visible characters without *, not beginning with @.
func RoomName(name string) (string, error) {
	normal := Normal(name)
	if user, ok := UserOf(normal); ok {
		if _, err := UserID(user); err != nil {
			return name, refusal.New(http.StatusBadRequest, "bad_room", "room of a user: "+err.Error())
		}
		return normal, nil
	}
	why := wrongWith(normal, name, MaxRoomName, false)
	switch {
	case why != "":
	case normal[0] == '@':
		why = "begins with @, as rooms of the server itself do"
	case normal == "." || normal == "..":
		why = "is " + normal + ", which is none in a URL"
	default:
		return normal, nil
	}
	return name, refusal.New(http.StatusBadRequest, "bad_room", "room name "+why)
}

// UserID returns the normal form of a user's id, or what is wrong with it, a
// [refusal.Error] with the code bad_user. An id is what issuers of tokens give: 1 to
// MaxUserID bytes of visible characters, but not beginning with UserPrefix, nor one of the
// two names that paths of URLs lose, nor with the * of patterns: who writes patterns with
// ids in them must not be made to allow more.
func UserID(id string) (string, error) {
	normal := Normal(id)
	why := wrongWith(normal, id, MaxUserID, false)
	switch {
	case why != "":
	case normal == "." || normal == "..":
		why = "is " + normal + ", which is none in a URL"
	case strings.HasPrefix(normal, UserPrefix):
		why = "begins with " + UserPrefix
	default:
		return normal, nil
	}
	return id, refusal.New(http.StatusBadRequest, "bad_user", "the user's id "+why)
}

// DeviceName returns the normal form of the name that one of a user's devices has, or what is
// wrong with it, a [refusal.Error] with the code bad_device.
func DeviceName(name string) (string, error) {
	normal := Normal(name)
	if why := wrongWith(normal, name, MaxDevice, false); why != "" {
		return name, refusal.New(http.StatusBadRequest, "bad_device", "the device's name "+why)
	}
	return normal, nil
}

// RoomPattern returns the normal form of a pattern (see [Match]) of rooms' names, which is made
// like these, with * anywhere; or what is wrong with it.
func RoomPattern(pattern string) (string, error) {
	normal := Normal(pattern)
	of, most, why := normal, MaxRoomName, ""
	if user, ok := UserOf(normal); ok {
		of, most = user, MaxUserID
	}
	switch {
	case of != normal && of == "": // rooms of users, of whom none has this id
	case normal != "" && normal[0] == '@':
		why = "begins with @, as rooms of the server itself do"
	default:
		why = wrongWith(of, pattern, most, true)
	}
	if why != "" {
		return pattern, refusal.New(http.StatusBadRequest, "bad_pattern", "pattern "+why)
	}
	return normal, nil
}

// UserPattern is RoomPattern for patterns of users' ids.
func UserPattern(pattern string) (string, error) {
	normal := Normal(pattern)
	if why := wrongWith(normal, pattern, MaxUserID, true); why != "" {
		return pattern, refusal.New(http.StatusBadRequest, "bad_pattern", "pattern "+why)
	}
	return normal, nil
}

// MethodName returns the normal form of a method of requests, or what is wrong with it, a
// [refusal.Error] with the code bad_method.
func MethodName(name string) (string, error) {
	normal := Normal(name)
	why := wrongWith(normal, name, MaxMethod, false)
	switch {
	case why != "":
	case normal == "." || normal == "..":
		why = "is " + normal + ", which is none in a URL"
	default:
		return normal, nil
	}
	return name, refusal.New(http.StatusBadRequest, "bad_method", "the method "+why)
}

// MethodPattern is RoomPattern for patterns of methods.
func MethodPattern(pattern string) (string, error) {
	normal := Normal(pattern)
	if why := wrongWith(normal, pattern, MaxMethod, true); why != "" {
		return pattern, refusal.New(http.StatusBadRequest, "bad_pattern", "pattern "+why)
	}
	return normal, nil
}

// Normal returns a name in the form in which it is compared, kept and sent: NFC, in which
// an accented letter is one character where there is such a one. Keyboards and file
// systems write others. What is too long to be a name stays as it is.
func Normal(name string) string {
	if isASCII(name) || len(name) > maxForms*(len(UserPrefix)+MaxUserID) {
		return name
	}
	return norm.NFC.String(name)
}

// Decomposed returns a name in the form that is least like the normal one: NFD, as some
// programs write it who know nothing of Barrage.
func Decomposed(name string) string {
	if isASCII(name) {
		return name
	}
	return norm.NFD.String(name)
}

// wrongWith tells what keeps the normal form of a name from being one of most bytes, ""
// if nothing does. Only patterns have a *.
func wrongWith(normal, name string, most int, pattern bool) string {
	if len(normal) == 0 || len(normal) > most {
		return fmt.Sprintf("has %d bytes, want 1 to %d", len(normal), most)
	}
	before := rune(0)
	for i, r := range normal {
		switch {
		case i > 0 && mayFollow(r, before):
		case r > ' ' && r < utf8.RuneSelf-1 && (r != '*' || pattern):
		case r == '*':
			return "has a *, which stands for any bytes in patterns"
		case r == utf8.RuneError:
			return fmt.Sprintf("is not UTF-8 at %d", i)
		case r == graphemeJoiner && !strings.ContainsRune(name, r):
			return "has more than 30 marks on one character" // which the normal form has it for
		case joins(r):
			return fmt.Sprintf("has %U at %d, want it behind a character that shows", r, i)
		case !visible(r):
			return fmt.Sprintf("has %U at %d, want neither spaces nor control characters nor others that show nothing", r, i)
		case i == 0 && (unicode.Is(unicode.M, r) || !norm.NFC.PropertiesString(normal).BoundaryBefore()):
			return fmt.Sprintf("begins with %U, which joins what stands before it", r)
		}
		before = r
	}
	return ""
}

// graphemeJoiner is the COMBINING GRAPHEME JOINER.
const graphemeJoiner = '\u034f'

// Characters that show nothing by themselves, and decide how others look: families are
// joined of people, Persian words of parts that are not, and a heart is red or is not. They
// may stand behind a visible character. Names that look the same with them and without are
// different ones, as are those of letters that look alike; the log escapes them all.
const (
	nonJoiner      = '\u200c'
	joiner         = '\u200d'
	textVariant    = '\ufe0e'
	pictureVariant = '\ufe0f'
)

func joins(r rune) bool { return r == nonJoiner || r == joiner || selects(r) }

func selects(r rune) bool { return r == textVariant || r == pictureVariant }

// mayFollow tells whether r is one of these, and may stand behind before: a joiner also
// behind the variant of a picture.
func mayFollow(r, before rune) bool {
	return joins(r) && (!joins(before) || r == joiner && selects(before))
}

// visible tells whether a character may stand anywhere in names. Those that show nothing may
// not: two names that look the same must not be two rooms. Neither may those that turn the
// direction of writing, nor those that this process's Unicode does not know: a newer one may
// give them another normal form, but pictures and ideographs, of which there are new ones
// each year, have no others.
func visible(r rune) bool {
	switch {
	case unicode.IsPrint(r):
		return r != ' ' && r != '\u2800' && // an empty pattern of Braille
			!unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
	case r >= 0x1f000 && r < 0x1fffe, r >= 0x20000 && r < 0x2fffe, r >= 0x30000 && r < 0x3fffe:
		return true
	}
	return false
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
