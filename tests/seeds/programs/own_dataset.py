"""Notes 004, data: images and their descriptions on disk as a dataset, transformed and loaded in batches."""
# ruff: noqa: B007

import json
import os
import tempfile

import numpy as np
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms


class MyData(Dataset):
    def __init__(self, img_path, annotation_path, transforms=None):
        self.annotation_path = annotation_path
        self.img_path = img_path
        self.transforms = transforms

    def __len__(self):
        return len(os.listdir(self.img_path))

    def __getitem__(self, index):
        with open(self.annotation_path + "/" + str(index) + ".json") as file:
            annotation = json.load(file)
        img = Image.open(self.img_path + "/" + str(index) + ".png")
        if self.transforms:
            img = self.transforms(img)
        return img, annotation


with tempfile.TemporaryDirectory() as folder:
    img, descriptions = os.path.join(folder, "img"), os.path.join(folder, "json")
    os.mkdir(img)
    os.mkdir(descriptions)
    for number in range(8):
        pixels = np.arange(32 * 48 * 3, dtype=np.uint8).reshape(32, 48, 3) + np.uint8(number)
        Image.fromarray(pixels).save(f"{img}/{number}.png")
        with open(f"{descriptions}/{number}.json", "w") as file:
            json.dump({"light": number % 3}, file)
    dataset = MyData(
        img,
        descriptions,
        transforms=transforms.Compose(
            [
                transforms.Resize(24),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
            ]
        ),
    )
    print(len(dataset))
    dataloader = DataLoader(dataset, batch_size=4, shuffle=True)
    data_iter = iter(dataloader)
    for step in range(2):
        images, annotations = next(data_iter)
        print(images.shape, images.dtype, sorted(annotations), annotations["light"].shape)
        print(bool(images.min() >= -1), bool(images.max() <= 1))
