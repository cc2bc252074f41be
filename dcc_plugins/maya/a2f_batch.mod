+ a2f_batch 0.1.0 ./a2f_batch
