// Restore stands in for mongorestore --archive: the same work with the same driver, where the real
// one cannot be had. Its options are those of mongorestore that the benchmark uses.
//
// One goroutine decompresses and takes the archive apart; each collection has insertion workers
// with unordered bulk writes of 1,000 raw documents, acknowledged by a majority; its indexes are
// created after its documents with one command.
package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"flag"
	"io"
	"log"
	"os"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"telamon.invalid/benchmarks/peers/archive"
)

const (
	batchDocuments = 1000
	readBytes      = 1024 * 1024
)

type restorer struct {
	client  *mongo.Client
	workers int
	slots   chan struct{} // as many as collections may be restored at once
	streams map[string]*stream
	done    sync.WaitGroup
}

// stream is one collection on its way: documents come in, batches go to the workers.
type stream struct {
	collection *mongo.Collection
	metadata   archive.Metadata
	filling    []mongo.WriteModel
	batches    chan []mongo.WriteModel
	started    bool
}

func main() {
	log.SetFlags(0)
	uri := flag.String("uri", "", "of the deployment")
	path := flag.String("archive", "", "the archive to read")
	compressed := flag.Bool("gzip", false, "the archive is compressed")
	collections := flag.Int("j", 4, "collections at once")
	workers := flag.Int("numInsertionWorkersPerCollection", 1, "inserting goroutines of each")
	flag.Bool("quiet", false, "taken and ignored: it is always quiet")
	flag.Parse()
	if err := restore(context.Background(), *uri, *path, *compressed, *collections, *workers); err != nil {
		log.Fatal(err)
	}
}

func restore(ctx context.Context, uri, path string, compressed bool, collections, workers int) error {
	client, err := mongo.Connect(
		options.Client().ApplyURI(uri).SetWriteConcern(writeconcern.Majority()),
	)
	if err != nil {
		return err
	}
	defer client.Disconnect(ctx)
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	var in io.Reader = bufio.NewReaderSize(file, readBytes)
	if compressed {
		decompressor, err := gzip.NewReader(in)
		if err != nil {
			return err
		}
		in = bufio.NewReaderSize(decompressor, readBytes)
	}
	reader, err := archive.NewReader(in)
	if err != nil {
		return err
	}
	work := &restorer{
		client: client, workers: workers, slots: make(chan struct{}, collections),
		streams: map[string]*stream{},
	}
	return work.run(ctx, reader)
}

func (r *restorer) run(ctx context.Context, reader *archive.Reader) error {
	for _, collection := range reader.Collections {
		one := &stream{
			collection: r.client.Database(collection.Database).Collection(collection.Name),
			batches:    make(chan []mongo.WriteModel, r.workers),
		}
		err := bson.UnmarshalExtJSON([]byte(collection.Metadata), true, &one.metadata)
		if err != nil {
			return err
		}
		r.streams[collection.Database+"."+collection.Name] = one
	}
	err := reader.Each(
		func(database, name string, document bson.Raw) {
			r.take(ctx, r.streams[database+"."+name], document)
		},
		func(database, name string) { r.end(ctx, r.streams[database+"."+name]) },
	)
	if err != nil {
		return err
	}
	r.done.Wait()
	return nil
}

func (r *restorer) take(ctx context.Context, one *stream, document bson.Raw) {
	if one.filling == nil {
		one.filling = make([]mongo.WriteModel, 0, batchDocuments)
	}
	one.filling = append(one.filling, &mongo.InsertOneModel{Document: document})
	if len(one.filling) == batchDocuments {
		r.send(ctx, one)
	}
}

func (r *restorer) send(ctx context.Context, one *stream) {
	if !one.started {
		one.started = true
		r.slots <- struct{}{}
		r.done.Go(func() {
			defer func() { <-r.slots }()
			if err := r.collection(ctx, one); err != nil {
				log.Fatal(err)
			}
		})
	}
	one.batches <- one.filling
	one.filling = nil
}

func (r *restorer) end(ctx context.Context, one *stream) {
	r.send(ctx, one)
	close(one.batches)
}

// collection inserts until the stream ends, then creates the indexes.
func (r *restorer) collection(ctx context.Context, one *stream) error {
	var inserting sync.WaitGroup
	for range r.workers {
		inserting.Go(func() {
			unordered := options.BulkWrite().SetOrdered(false).SetBypassDocumentValidation(true)
			for batch := range one.batches {
				if len(batch) == 0 {
					continue
				}
				if _, err := one.collection.BulkWrite(ctx, batch, unordered); err != nil {
					log.Fatal(err)
				}
			}
		})
	}
	inserting.Wait()
	return r.indexes(ctx, one)
}

func (r *restorer) indexes(ctx context.Context, one *stream) error {
	var secondary []bson.Raw
	for _, index := range one.metadata.Indexes {
		if index.Lookup("name").StringValue() != "_id_" {
			secondary = append(secondary, index)
		}
	}
	if len(secondary) == 0 {
		return nil
	}
	command := bson.D{
		{Key: "createIndexes", Value: one.collection.Name()},
		{Key: "indexes", Value: secondary},
	}
	return one.collection.Database().RunCommand(ctx, command).Err()
}
