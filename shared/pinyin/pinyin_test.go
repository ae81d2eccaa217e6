package pinyin

import (
	"slices"
	"strings"
	"testing"
)

// Each row is a name and what finds it, and what does not.
func TestKeys(t *testing.T) {
	for _, tt := range []struct{ name, finds, not string }{
		{"王小明", "王 王小 王小明 小明 wang wangxi wangxiaoming wxm wx wangxm xiaoming", "明 ming xm 王明"},
		{"欧阳娜娜", "欧阳 阳娜娜 娜娜 ouyangnana oynn", "娜a"},
		// Both ways in which a surname is read.
		{"单雄信", "单 shan chan danxiongxin sxx", "信"},
		{"买买提·吐尔逊", "买买提吐 买提吐尔 maimaiti mmttex", "·"},
		{"吕布", "lvbu lb", "bulv"},
		{"ＷＡＮＧ", "wang w", "x"},
		{"", "", "a"},
	} {
		keys := Keys(tt.name)
		found := func(typed string) bool {
			return slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(k, string(Called(typed))) })
		}
		for _, typed := range strings.Fields(tt.finds) {
			if !found(typed) {
				t.Errorf("%s is not found by %s: %q", tt.name, typed, keys)
			}
		}
		for _, typed := range strings.Fields(tt.not) {
			if typed != "·" && found(typed) {
				t.Errorf("%s is found by %s: %q", tt.name, typed, keys)
			}
		}
	}
	// However a name is read, it has few keys.
	if n := len(Keys(strings.Repeat("单重曾区", 50))); n > maxKeyed+4*maxReadings {
		t.Errorf("%d keys", n)
	}
}
