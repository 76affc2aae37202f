package main

import "context"

func soak(ctx context.Context, args []string, e env) (int, error)     { return 0, nil }
func overload(ctx context.Context, args []string, e env) (int, error) { return 0, nil }
