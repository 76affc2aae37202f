package helpline

import (
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

// directories says that Child Helpline International and Find A Helpline both
// name a number.
const directories = "two directories name it"

// beyondPlan are short codes that libphonenumber does not know, and why they are
// believed all the same. Its short codes are far from complete.
var beyondPlan = map[string]string{
	"AW tel:131":    directories,
	"AZ tel:116111": directories,
	"CI tel:116":    directories,
	"CL tel:1515":   directories,
	"CO tel:141":    directories,
	"CR tel:1147":   directories,
	"CW tel:918":    directories,
	"FJ tel:1325":   directories,
	"GR tel:1056":   directories,
	"KZ tel:150":    directories,
	"MG tel:147":    directories,
	"MT tel:179":    "Child Helpline International and the first collection of this project name it",
	"MZ tel:116":    directories,
	"SD tel:9696":   directories,
	"UG tel:116":    "Child Helpline International and the first collection of this project name it",
	"VN tel:111":    directories,
	"ZM tel:116":    directories,
}

// TestNumbersAreDialable holds every number against the numbering plan of its
// country: an international number must be one that can be given to somebody
// there, a short code one that can be dialled there.
func TestNumbersAreDialable(t *testing.T) {
	used := map[string]bool{}
	for _, e := range Builtin().entries {
		if e.Tel == "" || dialable(t, e) {
			continue
		}
		key := e.Country + " " + e.Tel
		if used[key] = true; beyondPlan[key] == "" {
			t.Errorf("%s: %s %s is not in the numbering plan", key, e.Kind, e.Name)
		}
	}
	for key := range beyondPlan {
		if !used[key] {
			t.Errorf("%s needs no exception", key)
		}
	}
}

func dialable(t *testing.T, e Entry) bool {
	t.Helper()
	digits := strings.TrimPrefix(e.Tel, "tel:")
	number, err := phonenumbers.Parse(digits, e.Country)
	if err != nil {
		t.Errorf("%s %s: %v", e.Country, e.Tel, err)
		return false
	}
	if strings.HasPrefix(digits, "+") {
		return phonenumbers.IsValidNumberForRegion(number, e.Country)
	}
	if e.Kind == Emergency && phonenumbers.IsEmergencyNumber(digits, e.Country) {
		return true
	}
	return phonenumbers.IsValidShortNumberForRegion(number, e.Country)
}

// TestNumbersReadAsTheyDial checks that what is shown is what is dialled: the
// same digits, but for the country code and the trunk prefix.
func TestNumbersReadAsTheyDial(t *testing.T) {
	for _, e := range Builtin().entries {
		if e.Number == "" {
			continue
		}
		shown, err := dial(e.Number)
		if err != nil {
			t.Errorf("%s %s: %v", e.Country, e.Number, err)
			continue
		}
		if e.Tel == shown {
			continue
		}
		national := strings.TrimLeft(strings.TrimPrefix(shown, "tel:"), "0")
		code := strings.TrimSuffix(e.Tel, national)
		if !strings.HasPrefix(code, "tel:+") || code == e.Tel {
			t.Errorf("%s: %s dials %s", e.Country, e.Number, e.Tel)
		}
	}
}
