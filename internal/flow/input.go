package flow

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
)

// MaxRecord is the longest row of a source in bytes. A longer one becomes a dead letter.
const MaxRecord = 1 << 20

const (
	headWindow = 64 << 10 // bytes at a file's start that a cursor remembers by hash
	tailWindow = 4 << 10  // bytes just before its offset that a cursor remembers by hash
	readChunk  = 256 << 10
)

// input is a window on a file: the bytes that are being parsed, a little of what came before them for the cursor's
// hash, and the count of lines. It holds at most a few times MaxRecord.
type input struct {
	ctx   context.Context
	r     io.ReadCloser
	total int64 // size of the file, 0 when unknown

	buf      []byte // what was read; its content is buf[:end]
	pos, end int
	base     int64 // offset of buf[0] in the file
	line     int64 // number of the line at pos, from 1
	eof      bool
	head     []byte // the first bytes of the file, at most headWindow
}

// openInput opens the source at the start, or where the cursor stands after making sure that it is the same file.
func openInput(ctx context.Context, open func(context.Context) (io.ReadCloser, error), from *Cursor) (*input, error) {
	r, err := open(ctx)
	if err != nil {
		return nil, err
	}
	in := &input{ctx: ctx, r: r, line: 1}
	if err := in.start(from); err != nil {
		r.Close()
		return nil, err
	}
	return in, nil
}

func (in *input) start(from *Cursor) error {
	seeker, _ := in.r.(io.Seeker)
	if seeker != nil {
		if size, err := seeker.Seek(0, io.SeekEnd); err != nil {
			seeker = nil // a pipe has the method and refuses
		} else if _, err := seeker.Seek(0, io.SeekStart); err != nil {
			return err
		} else {
			in.total = size
		}
	}
	in.buf = make([]byte, readChunk)
	n, err := io.ReadFull(in.r, in.buf[:headWindow])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return fmt.Errorf("reading its first bytes: %w", err)
	}
	in.end = n
	in.head = bytes.Clone(in.buf[:n])
	if from == nil || from.Offset == 0 {
		return in.checkFormat()
	}
	return in.resume(from, seeker)
}

// checkFormat skips a byte order mark and refuses what is plainly no text.
func (in *input) checkFormat() error {
	switch v := in.view(); {
	case bytes.HasPrefix(v, []byte("\xef\xbb\xbf")):
		in.pos = 3
	case bytes.HasPrefix(v, []byte("\xff\xfe")), bytes.HasPrefix(v, []byte("\xfe\xff")):
		return fmt.Errorf("the file is UTF-16: save it as UTF-8")
	case bytes.HasPrefix(v, []byte("\x1f\x8b")):
		return fmt.Errorf("the file is compressed with gzip: unpack it first")
	case bytes.HasPrefix(v, []byte("PK\x03\x04")):
		return fmt.Errorf("the file is a ZIP archive or an XLSX workbook: save it as text")
	}
	return nil
}

// resume goes to the cursor's offset and checks by hash that what lies before it is what was read then.
func (in *input) resume(from *Cursor, seeker io.Seeker) error {
	tail := min(from.Offset, tailWindow)
	if from.HeadLen < 0 || from.HeadLen > headWindow || from.HeadLen > from.Offset || from.Line < 1 {
		return fmt.Errorf("the cursor is damaged; start a new run")
	}
	changed := fmt.Errorf("the file is not the one this run began with (something before byte %d differs); start a new run", from.Offset)
	if int64(len(in.head)) < from.HeadLen || sum(in.head[:from.HeadLen]) != from.Head {
		return changed
	}
	if at, want := int64(len(in.head)), from.Offset-tail; want >= at {
		in.end = 0
		if seeker != nil {
			if _, err := seeker.Seek(want, io.SeekStart); err != nil {
				return fmt.Errorf("going to byte %d: %w", want, err)
			}
		} else if _, err := io.CopyN(io.Discard, in.r, want-at); err == io.EOF {
			return changed
		} else if err != nil {
			return fmt.Errorf("going to byte %d: %w", want, err)
		}
		in.base = want
	}
	for in.base+int64(in.end) < from.Offset {
		more, err := in.more()
		if err != nil {
			return err
		}
		if !more {
			return changed
		}
	}
	in.pos = int(from.Offset - in.base)
	in.line = from.Line
	if sum(in.tail()) != from.Tail {
		return changed
	}
	return in.checkBoundary()
}

// checkBoundary refuses a file whose last line was completed after it had been read as a whole row.
func (in *input) checkBoundary() error {
	for in.pos == in.end {
		if more, err := in.more(); err != nil || !more {
			return err
		}
	}
	if in.buf[in.pos-1] != '\n' {
		return fmt.Errorf("line %d grew after it had been read; end every line of a file that grows with a line break, and start a new run", in.line-1)
	}
	return nil
}

func (in *input) close() error { return in.r.Close() }

func (in *input) offset() int64 { return in.base + int64(in.pos) }

// view returns the bytes that are read and not yet consumed. It is valid until the next call of more.
func (in *input) view() []byte { return in.buf[in.pos:in.end] }

// tail returns the bytes just before the offset.
func (in *input) tail() []byte {
	return in.buf[max(0, in.pos-tailWindow):in.pos]
}

// more reads further bytes behind the view; it reports false at the end of the file.
func (in *input) more() (bool, error) {
	if in.eof {
		return false, nil
	}
	if err := in.ctx.Err(); err != nil {
		return false, err
	}
	in.makeRoom()
	for range 100 {
		n, err := in.r.Read(in.buf[in.end:])
		in.end += n
		if err == io.EOF {
			in.eof = true
			return n > 0, nil
		}
		if err != nil {
			return false, fmt.Errorf("reading at byte %d: %w", in.base+int64(in.end), err)
		}
		if n > 0 {
			return true, nil
		}
	}
	return false, fmt.Errorf("reading at byte %d: %w", in.base+int64(in.end), io.ErrNoProgress)
}

// makeRoom frees a good part of the buffer for the next read: by forgetting what was consumed, or by growing.
func (in *input) makeRoom() {
	if len(in.buf)-in.end >= len(in.buf)/4 {
		return
	}
	drop := max(0, in.pos-tailWindow)
	if drop < len(in.buf)/2 {
		in.buf = append(make([]byte, 0, 2*len(in.buf)), in.buf...)[:2*len(in.buf)]
		return
	}
	copy(in.buf, in.buf[drop:in.end])
	in.base += int64(drop)
	in.pos -= drop
	in.end -= drop
}

// lineEnd returns the length of the first line of the view with its line break, reading on as needed: 0 at the end of
// the file, -1 for a line longer than MaxRecord.
func (in *input) lineEnd() (int, error) {
	from := 0
	for {
		v := in.view()
		if i := bytes.IndexByte(v[from:], '\n'); i >= 0 {
			if from+i > MaxRecord {
				return -1, nil
			}
			return from + i + 1, nil
		}
		if from = len(v); from > MaxRecord {
			return -1, nil
		}
		if more, err := in.more(); err != nil || !more {
			return len(v), err
		}
	}
}

// consume moves on by n bytes of the view, in which lines end; the end of the file ends one too.
func (in *input) consume(n, lines int) {
	in.pos += n
	in.line += int64(lines)
}

// skipLine consumes the rest of a line of any length.
func (in *input) skipLine() error {
	for {
		v := in.view()
		if i := bytes.IndexByte(v, '\n'); i >= 0 {
			in.consume(i+1, 1)
			return nil
		}
		in.consume(len(v), 0)
		more, err := in.more()
		if err != nil {
			return err
		}
		if !more {
			in.consume(0, 1)
			return nil
		}
	}
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:16])
}
