// Dump stands in for mongodump --archive: the same work with the same driver, where the real one
// cannot be had. Its options are those of mongodump that the benchmark uses.
//
// One cursor per collection with the driver's own batches; one goroutine reads and one checks,
// frames, compresses and writes. As in mongodump, documents go from one to the other one by one;
// mongodump hands them on once more, to a goroutine that all collections share, which is left out.
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"flag"
	"io"
	"log"
	"os"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"telamon.invalid/benchmarks/peers/archive"
)

const blockBytes = 1024 * 1024

func main() {
	log.SetFlags(0)
	uri := flag.String("uri", "", "of the deployment")
	database := flag.String("db", "", "the database to dump")
	toArchive := flag.Bool("archive", false, "write an archive to the standard output; must be given")
	compress := flag.Bool("gzip", false, "compress the archive")
	flag.Bool("quiet", false, "taken and ignored: it is always quiet")
	flag.Parse()
	if !*toArchive {
		log.Fatal("only --archive is known")
	}
	if err := dump(context.Background(), *uri, *database, *compress); err != nil {
		log.Fatal(err)
	}
}

func dump(ctx context.Context, uri, database string, compress bool) error {
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		return err
	}
	defer client.Disconnect(ctx)
	if !compress {
		return write(ctx, client.Database(database), os.Stdout)
	}
	compressor := gzip.NewWriter(os.Stdout)
	if err := write(ctx, client.Database(database), compressor); err != nil {
		return err
	}
	return compressor.Close()
}

func write(ctx context.Context, database *mongo.Database, out io.Writer) error {
	collections, err := prelude(ctx, database)
	if err != nil {
		return err
	}
	header := archive.Header{ConcurrentCollections: 4, Version: "0.1", ToolVersion: "stand-in"}
	writer, err := archive.NewWriter(out, header, collections)
	if err != nil {
		return err
	}
	for _, collection := range collections {
		if err := documents(ctx, database.Collection(collection.Name), writer); err != nil {
			return err
		}
	}
	return nil
}

// prelude is every collection with its options and indexes.
func prelude(ctx context.Context, database *mongo.Database) ([]archive.Collection, error) {
	specifications, err := database.ListCollectionSpecifications(ctx, bson.D{})
	if err != nil {
		return nil, err
	}
	var collections []archive.Collection
	for _, specification := range specifications {
		cursor, err := database.Collection(specification.Name).Indexes().List(ctx)
		if err != nil {
			return nil, err
		}
		metadata := archive.Metadata{
			Options: specification.Options, Name: specification.Name, Type: specification.Type,
		}
		if err := cursor.All(ctx, &metadata.Indexes); err != nil {
			return nil, err
		}
		text, err := bson.MarshalExtJSON(metadata, true, false)
		if err != nil {
			return nil, err
		}
		collections = append(collections, archive.Collection{
			Database: database.Name(), Name: specification.Name, Metadata: string(text),
			Type: specification.Type,
		})
	}
	return collections, nil
}

func documents(ctx context.Context, collection *mongo.Collection, writer *archive.Writer) error {
	cursor, err := collection.Find(ctx, bson.D{})
	if err != nil {
		return err
	}
	defer cursor.Close(ctx)
	handed := make(chan []byte)
	failure := make(chan error, 1)
	go func() {
		defer close(handed)
		failure <- read(ctx, cursor, handed)
	}()
	database, name := collection.Database().Name(), collection.Name()
	block := make([]byte, 0, blockBytes)
	for document := range handed {
		if len(block) > 0 && len(block)+len(document) > blockBytes {
			if err := writer.Documents(database, name, block); err != nil {
				return err
			}
			block = block[:0]
		}
		block = append(block, document...)
	}
	if err := writer.Documents(database, name, block); err != nil {
		return err
	}
	if err := <-failure; err != nil {
		return err
	}
	return writer.End(database, name)
}

// read hands over copies: a document belongs to the cursor only until the next.
func read(ctx context.Context, cursor *mongo.Cursor, handed chan<- []byte) error {
	for cursor.Next(ctx) {
		handed <- bytes.Clone(cursor.Current)
	}
	return cursor.Err()
}
