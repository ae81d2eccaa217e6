package access

import (
	"context"
	"fmt"
	"strconv"

	"zhucun/server/store"
)

// MaxOfflineDays bounds what SetOfflineDays takes, in days.
const MaxOfflineDays = 365

// OfflineDays is how many days without contact lock a laptop; 0 is never.
func (a *Access) OfflineDays(ctx context.Context) (int, error) {
	b, err := a.store.Meta(ctx, metaOffline)
	if err != nil || b == nil {
		return 0, err
	}
	n, err := strconv.Atoi(string(b))
	if err != nil {
		return 0, fmt.Errorf("days that lock a laptop: %w", err)
	}
	return n, nil
}

const metaOffline = "offline_days"

// SetOfflineDays sets after how many days without contact laptops lock themselves,
// 0 for never; each comes to know with its next sync. A *NameError for what cannot
// be.
func (a *Access) SetOfflineDays(ctx context.Context, who string, days int) error {
	if days < 0 || days > MaxOfflineDays {
		return &NameError{fmt.Sprintf("天数应在 0（不锁）到 %d 之间", MaxOfflineDays), fmt.Sprintf("the days are between 0 (never) and %d", MaxOfflineDays)}
	}
	return a.store.SetForLaptops(ctx, metaOffline, []byte(strconv.Itoa(days)), &store.Note{Who: who, Act: "offline", Subject: strconv.Itoa(days)})
}
