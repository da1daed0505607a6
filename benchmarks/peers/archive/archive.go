// Package archive writes and reads mongodump's archive format, from its public description
// (mongo-tools, README of the archive package): a magic number, a prelude of BSON documents that
// name the collections, then blocks. A block is a header that names a collection, documents of that
// collection, and a terminator. The last block of a collection has no documents; its header says
// EOF and carries the CRC-64 (ECMA) of all the collection's documents.
package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const (
	magic      uint32 = 0x8199e26d
	terminator uint32 = 0xffffffff
	// MaxDocument is the largest document that a server sends.
	MaxDocument = 16*1024*1024 + 16*1024
)

var polynomial = crc64.MakeTable(crc64.ECMA)

// Header begins the prelude.
type Header struct {
	ConcurrentCollections int32  `bson:"concurrent_collections"`
	Version               string `bson:"version"`
	ServerVersion         string `bson:"server_version"`
	ToolVersion           string `bson:"tool_version"`
}

// Collection is one line of the prelude. Metadata is extended JSON with options and indexes.
type Collection struct {
	Database string `bson:"db"`
	Name     string `bson:"collection"`
	Metadata string `bson:"metadata"`
	Size     int32  `bson:"size"`
	Type     string `bson:"type"`
}

// Metadata is what Collection.Metadata holds.
type Metadata struct {
	Options bson.Raw   `bson:"options"`
	Indexes []bson.Raw `bson:"indexes"`
	Name    string     `bson:"collectionName"`
	Type    string     `bson:"type"`
}

type blockHeader struct {
	Database string `bson:"db"`
	Name     string `bson:"collection"`
	EOF      bool   `bson:"EOF"`
	CRC      int64  `bson:"CRC"`
}

// Writer writes an archive. Not for several goroutines at once.
type Writer struct {
	out io.Writer
	crc map[string]uint64
}

// NewWriter writes the prelude.
func NewWriter(out io.Writer, header Header, collections []Collection) (*Writer, error) {
	writer := &Writer{out: out, crc: map[string]uint64{}}
	prelude := binary.LittleEndian.AppendUint32(nil, magic)
	parts := []any{header}
	for _, collection := range collections {
		parts = append(parts, collection)
	}
	for _, part := range parts {
		document, err := bson.Marshal(part)
		if err != nil {
			return nil, err
		}
		prelude = append(prelude, document...)
	}
	_, err := out.Write(binary.LittleEndian.AppendUint32(prelude, terminator))
	return writer, err
}

// Documents writes a block of whole documents, one after the other.
func (w *Writer) Documents(database, name string, documents []byte) error {
	key := database + "." + name
	w.crc[key] = crc64.Update(w.crc[key], polynomial, documents)
	return w.block(blockHeader{Database: database, Name: name}, documents)
}

// End writes the last block of a collection.
func (w *Writer) End(database, name string) error {
	crc := int64(w.crc[database+"."+name])
	return w.block(blockHeader{Database: database, Name: name, EOF: true, CRC: crc}, nil)
}

func (w *Writer) block(header blockHeader, documents []byte) error {
	start, err := bson.Marshal(header)
	if err != nil {
		return err
	}
	end := binary.LittleEndian.AppendUint32(nil, terminator)
	for _, part := range [][]byte{start, documents, end} {
		if _, err := w.out.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// Reader takes an archive apart.
type Reader struct {
	in          io.Reader
	crc         map[string]uint64
	Collections []Collection
}

// NewReader reads the prelude.
func NewReader(in io.Reader) (*Reader, error) {
	reader := &Reader{in: in, crc: map[string]uint64{}}
	var first [4]byte
	if _, err := io.ReadFull(in, first[:]); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint32(first[:]) != magic {
		return nil, errors.New("this is no archive")
	}
	if _, err := reader.next(); err != nil {
		return nil, err
	}
	for {
		document, err := reader.next()
		if err != nil || document == nil {
			return reader, err
		}
		var collection Collection
		if err := bson.Unmarshal(document, &collection); err != nil {
			return nil, err
		}
		reader.Collections = append(reader.Collections, collection)
	}
}

// Each hands every document to take, and tells ended of each collection that is whole. A document
// is the callee's to keep.
func (r *Reader) Each(take func(database, name string, document bson.Raw), ended func(database, name string)) error {
	for {
		document, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var header blockHeader
		if err := bson.Unmarshal(document, &header); err != nil {
			return err
		}
		if err := r.block(header, take); err != nil {
			return err
		}
		if header.EOF {
			key := header.Database + "." + header.Name
			if int64(r.crc[key]) != header.CRC {
				return fmt.Errorf("%s: the CRC differs", key)
			}
			ended(header.Database, header.Name)
		}
	}
}

func (r *Reader) block(header blockHeader, take func(database, name string, document bson.Raw)) error {
	key := header.Database + "." + header.Name
	crc := r.crc[key]
	for {
		document, err := r.next()
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		if document == nil {
			r.crc[key] = crc
			return nil
		}
		crc = crc64.Update(crc, polynomial, document)
		take(header.Database, header.Name, document)
	}
}

// next is one document, or nil for a terminator.
func (r *Reader) next() (bson.Raw, error) {
	var start [4]byte
	if _, err := io.ReadFull(r.in, start[:]); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(start[:])
	if length == terminator {
		return nil, nil
	}
	if length < 5 || length > MaxDocument {
		return nil, fmt.Errorf("a document of %d bytes", length)
	}
	document := make(bson.Raw, length)
	copy(document, start[:])
	_, err := io.ReadFull(r.in, document[4:])
	return document, err
}
