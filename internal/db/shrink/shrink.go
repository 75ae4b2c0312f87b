package shrink

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	incremental  = 2       // of PRAGMA auto_vacuum
	freePages    = 256     // that may stay free, of 4 KiB: they are used again soon
	pagesAtOnce  = 1024    // that are given back while writers wait
	walMost      = 8 << 20 // bytes that the log may keep
	shrinkWithin = 250     // milliseconds for readers to let go of the log
)

// Prepare rewrites, once, a file from before files could shrink. A disk
// that has no room for that leaves it as it is.
func Prepare(ctx context.Context, write *sql.DB) error {
	mode, err := pragma(ctx, write, "auto_vacuum")
	if err != nil || mode == incremental {
		return err
	}
	for _, statement := range []string{"PRAGMA auto_vacuum = 2", "VACUUM"} {
		if _, err := write.ExecContext(ctx, statement); err != nil {
			var e *sqlite.Error
			if errors.As(err, &e) && (e.Code()&0xff == sqlite3.SQLITE_FULL || e.Code()&0xff == sqlite3.SQLITE_BUSY) {
				return nil
			}
			return err
		}
	}
	return nil
}

// File gives back to the disk what is free in the file at a path, and in its log.
// busyTimeout is how long a statement of the connection waits for a lock otherwise, in
// milliseconds.
func File(ctx context.Context, write *sql.DB, path string, busyTimeout int) error {
	shrunk := false
	for {
		free, err := pragma(ctx, write, "freelist_count")
		if err != nil {
			return err
		}
		if free <= freePages {
			break
		}
		if _, err := write.ExecContext(ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", min(pagesAtOnce, free-freePages))); err != nil {
			return err
		}
		if left, err := pragma(ctx, write, "freelist_count"); err != nil || left >= free {
			return err // one that cannot shrink
		}
		shrunk = true
	}
	if info, err := os.Stat(path + "-wal"); shrunk || err == nil && info.Size() > walMost {
		return truncateLog(ctx, write, busyTimeout) // and the file, as the log says
	}
	return nil
}

// truncateLog moves what the log has to the file and cuts it off, unless
// readers are in the way for long.
func truncateLog(ctx context.Context, write *sql.DB, busyTimeout int) (err error) {
	c, err := write.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	for _, statement := range []string{
		fmt.Sprintf("PRAGMA busy_timeout = %d", shrinkWithin), "PRAGMA wal_checkpoint(TRUNCATE)",
		fmt.Sprintf("PRAGMA busy_timeout = %d", busyTimeout),
	} {
		if _, err := c.ExecContext(context.WithoutCancel(ctx), statement); err != nil {
			return err
		}
	}
	return nil
}

func pragma(ctx context.Context, d *sql.DB, name string) (n int, err error) {
	return n, d.QueryRowContext(ctx, "PRAGMA "+name).Scan(&n)
}
